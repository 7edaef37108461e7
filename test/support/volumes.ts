/** Volumes of their own for tests: file systems on loop images, gone with the test. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** For the `skip` option: what of it this machine lacks. */
export function needsVolumes(...tools: string[]): false | string {
  if (process.geteuid?.() !== 0) return 'needs root'
  const missing = tools.find((tool) => spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0)
  return missing === undefined ? false : `${missing} is not installed`
}

export class Volumes {
  readonly folder: string
  #mounts = 0

  /** Everything mounted below the folder is unmounted at the end, its images and all. */
  constructor(t: TestContext) {
    this.folder = mkdtempSync(join(tmpdir(), 'terp-test-'))
    t.after(() => {
      const below = execFileSync('sh', ['-c', 'cut -d" " -f2 /proc/self/mounts'], { encoding: 'utf8' })
        .split('\n')
        .filter((path) => path.startsWith(`${this.folder}/`))
      for (const path of below.reverse()) {
        spawnSync('fsfreeze', ['-u', path])
        spawnSync('umount', ['-l', path])
      }
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  /** A file system on an image: in `below`, if that is given. */
  make(type: 'btrfs' | 'xfs' | 'ext4', megabytes: number, below = this.folder): { readonly path: string; readonly image: string } {
    const number = this.#mounts++
    const image = join(below, `image-${number}`)
    writeFileSync(image, '')
    truncateSync(image, megabytes * 1024 * 1024)
    execFileSync(`mkfs.${type}`, ['-q', image], { stdio: ['ignore', 'ignore', 'pipe'] })
    const path = join(this.folder, `volume-${number}`)
    mkdirSync(path)
    execFileSync('mount', ['-o', 'loop', image, path])
    return { path, image }
  }
}
