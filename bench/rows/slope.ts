/** Whether a backup slows down as it goes on, out of the status lines that it prints. */
import { jsonLines } from '../programs/terp.ts'

const LEAST_SECONDS = 10

/** Out of the status lines, one a second: files a second in the last third of the time over those in the first. Undefined for short runs. */
export function endOverStart(stdout: string): number | undefined {
  const points = jsonLines(stdout)
    .filter((line) => line.message_type === 'status' && Number(line.files_done) > 0)
    .map((line) => ({ second: Number(line.seconds_elapsed), files: Number(line.files_done) }))
  const [first, last] = [points[0], points.at(-1)]
  if (!first || !last || last.second - first.second < LEAST_SECONDS) return undefined
  const third = (last.second - first.second) / 3
  const rate = (from: number, to: number) => {
    const within = points.filter(({ second }) => second >= from && second <= to)
    const [a, b] = [within[0], within.at(-1)]
    return a && b && b.second > a.second ? (b.files - a.files) / (b.second - a.second) : Number.NaN
  }
  const slope = rate(last.second - third, last.second) / rate(first.second, first.second + third)
  return Number.isFinite(slope) ? slope : undefined
}
