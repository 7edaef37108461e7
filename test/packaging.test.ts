/** The systemd units are what systemd takes, and what they call is there. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { COMMANDS } from '../src/cli/command-table.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const ROOT = join(import.meta.dirname, '..')
const UNITS = ['terp-server.service', 'terp-agent.service']
const read = (name: string) => readFileSync(join(ROOT, 'packaging/systemd', name), 'utf8')
const skip = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'systemd-analyze is not installed'

describe('the systemd units', () => {
  for (const name of UNITS) {
    it(`${name} calls a command that there is, as a user who is not root`, () => {
      const unit = read(name)
      const command = /^ExecStart=\/usr\/bin\/terp (\w+ \w+)/m.exec(unit)?.[1]
      assert.ok(
        COMMANDS.some(({ path }) => path === command),
        command,
      )
      const user = /^User=(\S+)$/m.exec(unit)?.[1]
      assert.ok(user !== undefined && user !== 'root')
      assert.match(read('terp.sysusers'), new RegExp(`^u ${user} `, 'm'))
      assert.match(unit, /^NoNewPrivileges=yes$/m)
    })

    for (const dropIn of name === 'terp-agent.service'
      ? [undefined, 'terp-agent-restore.conf', 'terp-agent-snapshots.conf']
      : [undefined]) {
      it(`${name}${dropIn === undefined ? '' : ` with ${dropIn}`} passes systemd-analyze verify`, { skip }, (t) => {
        const folder = temporaryFolder(t)
        // The program need not be installed here.
        writeFileSync(join(folder, name), read(name).replace('/usr/bin/terp', join(ROOT, 'terp')))
        if (dropIn !== undefined) {
          mkdirSync(join(folder, `${name}.d`))
          copyFileSync(join(ROOT, 'packaging/systemd', dropIn), join(folder, `${name}.d`, 'restore.conf'))
        }
        const env = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` }
        const ran = spawnSync('systemd-analyze', ['verify', '--man=no', join(folder, name)], { encoding: 'utf8', env })
        const about = `${ran.stdout}${ran.stderr}`.split('\n').filter((line) => line.includes('terp'))
        assert.deepEqual(about, [])
        assert.equal(ran.status, 0, ran.stderr)
      })
    }
  }
})
