import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Command } from 'commander'
import { COMMANDS, commandsFor, GROUPS } from './command-table.ts'

const pathsFor = (...given: string[]) => commandsFor(given).map(({ path }) => path)

describe('the table of commands', () => {
  it('knows each by the name that it gives itself, below its group', async () => {
    for (const { path, load } of COMMANDS) {
      const parent = new Command('parent')
      const add = await load()
      add(parent, { run: async () => {} })
      const [name, group] = path.split(' ').reverse()
      assert.deepEqual(
        parent.commands.map((command) => command.name()),
        [name],
      )
      assert.equal(group === undefined || Object.hasOwn(GROUPS, group), true, path)
    }
  })

  it('gives the one that is meant, with whatever follows', () => {
    assert.deepEqual(pathsFor('pool', 'browse', '/pool', 'latest', 'backup'), ['pool browse'])
    assert.deepEqual(pathsFor('pool', 'backup', '--help'), ['pool backup'])
    assert.deepEqual(pathsFor('recover'), ['recover'])
  })

  it('gives all where that is not plain', () => {
    for (const given of [
      [],
      ['pool'],
      ['pool', '--help'],
      ['pool', 'brows'],
      ['browse'],
      ['--version'],
      ['toString'],
      ['completion', 'bash'],
    ]) {
      assert.equal(commandsFor(given), COMMANDS, given.join(' '))
    }
  })
})
