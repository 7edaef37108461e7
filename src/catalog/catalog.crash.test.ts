/** A program that is killed in the middle of writing: what it had been told was done is there, the audit log is whole, and a transaction is all or nothing. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { aCatalog } from './catalog.fixture.ts'

const WRITER = `
  import { openCatalog } from '${import.meta.dirname}/index.ts'
  import { systemClock } from '${import.meta.dirname}/../base/clock.ts'
  import { systemRandom } from '${import.meta.dirname}/../base/random.ts'
  const catalog = await openCatalog({ clock: systemClock(), random: systemRandom() }, process.argv[1])
  const actor = { kind: 'server', id: '', name: '' }
  for (let n = ((await catalog.settings.find('n'))?.value ?? 0) + 1; ; n++) {
    await catalog.transaction(async (records) => {
      await records.settings.put('n', n, { by: 'me' })
      await records.audit.append({ actor, address: '', action: 'count', subject: { kind: 'settings', id: 'n' }, outcome: 'done', details: { n } })
    })
    process.stdout.write(n + '\\n')
  }
`

test('a killed program loses nothing that it had been told was written', async (t) => {
  const at = await aCatalog(t)
  await at.catalog.close()
  let told = 0
  for (let kill = 1; kill <= 6; kill++) {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', WRITER, at.path])
    let text = ''
    child.stdout.on('data', (part: Buffer) => {
      text += part.toString()
      if (text.split('\n').length > 15 * kill) child.kill('SIGKILL')
    })
    let errors = ''
    child.stderr.on('data', (part: Buffer) => {
      errors += part.toString()
    })
    await once(child, 'close')
    assert.equal(errors, '')
    told = Math.max(told, ...text.split('\n').slice(0, -1).map(Number))

    const catalog = await at.reopen({ isClosed: true })
    const { value, version } = (await catalog.settings.find('n')) ?? { value: 0, version: 0 }
    const count = Number(value)
    assert.ok(count >= told, `${count} is there, ${told} was told`)
    assert.equal(version, count)
    const verdict = await catalog.audit.verify()
    assert.equal(verdict.broken, undefined)
    assert.equal(verdict.entries, count)
    await catalog.close()
  }
  await at.reopen({ isClosed: true })
})
