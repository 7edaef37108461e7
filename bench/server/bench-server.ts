/**
 * The backup server's own measurements:
 *
 *   npm run bench:server -- load [...]          bench/server/load.ts
 *   npm run bench:server -- throughput [...]    bench/server/throughput.ts
 */
import { readLoadOptions, runLoad } from './load.ts'
import { readThroughputOptions, runThroughput } from './throughput.ts'

const [what, ...args] = process.argv.slice(2)
if (what === 'load') await runLoad(readLoadOptions(args))
else if (what === 'throughput') await runThroughput(readThroughputOptions(args))
else throw new Error('load or throughput')
