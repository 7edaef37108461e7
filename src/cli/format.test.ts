import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { formatBytes, formatCount, formatDuration, formatInteger, formatMode, formatTable, printable, timestampOf } from './format.ts'

describe('what people read', () => {
  it('has units that fit', () => {
    assert.deepEqual([0, 1023, 1024, 10_485_760, 5_000_000_000_000].map(formatBytes), ['0 B', '1023 B', '1.00 KiB', '10.0 MiB', '4.55 TiB'])
    assert.deepEqual([40, 59_400, 61_000, 3_661_000].map(formatDuration), ['0.0 s', '59 s', '1:01 min', '1:01:01 h'])
  })

  it('has a comma before every three digits, as the language has it', () => {
    for (const n of [0, 7, 999, 1000, 12_345, 999_999, 1_000_000, 1_234_567_890, Number.MAX_SAFE_INTEGER, -1, -1000]) {
      assert.equal(formatInteger(n), n.toLocaleString('en-US'))
    }
    assert.deepEqual([formatCount(1, 'file'), formatCount(2000, 'entry', 'entries')], ['1 file', '2,000 entries'])
  })

  it('cannot be steered by hostile names', () => {
    assert.equal(printable('a\nb\t\u001b[2Jc\u202egpj'), 'a\\nb\\t\\u001b[2Jc\\u202egpj')
    assert.equal(printable('naïve 日本'), 'naïve 日本')
  })

  it('has modes as ls prints them', () => {
    assert.equal(formatMode('file', 0o4755), '-rwsr-xr-x')
    assert.equal(formatMode('folder', 0o1777), 'drwxrwxrwt')
    assert.equal(formatMode('symlink', 0o777), 'lrwxrwxrwx')
    assert.equal(formatMode('file', 0o2644), '-rw-r-Sr--')
  })

  it('has times with nanoseconds, also before 1970, and none where there is no such date', () => {
    assert.equal(timestampOf(1_700_000_000, 5), '2023-11-14T22:13:20.000000005Z')
    assert.equal(timestampOf(-1, 999_999_999), '1969-12-31T23:59:59.999999999Z')
    assert.equal(timestampOf(1e15, 0), null)
  })

  it('has columns that line up', () => {
    const table = formatTable(
      [{ title: 'A' }, { title: 'N', align: 'right' }, { title: 'P' }],
      [
        ['long', '1', 'x'],
        ['s', '222', 'y'],
      ],
    )
    assert.equal(table, 'A       N  P\nlong    1  x\ns     222  y')
  })
})
