import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ManualClock } from '../base/clock.ts'
import { Output } from './output.ts'
import { ProgressReporter, toStatus } from './progress.ts'
import { fakeStreams } from './testing/fake-streams.ts'

const at = (bytesDone: number) => ({ phase: 'backup', filesDone: 1, bytesDone, bytesTotal: 1000 })

function reporter(options: { isJson: boolean; isErrTerminal: boolean }) {
  const streams = fakeStreams({ isErrTerminal: options.isErrTerminal })
  const clock = new ManualClock()
  const output = new Output(streams, { isJson: options.isJson, color: true, debug: false })
  return { streams, clock, progress: new ProgressReporter(output, clock) }
}

describe('progress', () => {
  it('is a line a second at most with --json', () => {
    const { streams, clock, progress } = reporter({ isJson: true, isErrTerminal: true })
    for (let i = 0; i < 30; i++) {
      progress.report(at(i * 10))
      clock.advance(100)
    }
    const lines = streams.outText().trim().split('\n')
    assert.equal(lines.length, 3)
    const last = JSON.parse(lines[2] ?? '')
    assert.deepEqual(Object.keys(last), [
      'message_type',
      'phase',
      'percent_done',
      'files_done',
      'bytes_done',
      'total_files',
      'total_bytes',
      'seconds_elapsed',
      'seconds_remaining',
    ])
    assert.deepEqual([last.percent_done, last.seconds_elapsed, last.seconds_remaining], [0.2, 2, 8])
    assert.deepEqual(streams.liveTexts, [])
  })

  it('is shown on a terminal, and nowhere else', () => {
    const terminal = reporter({ isJson: false, isErrTerminal: true })
    terminal.progress.report(at(500))
    assert.match(terminal.streams.liveTexts.join(), /backup.*50 %/)
    const pipe = reporter({ isJson: false, isErrTerminal: false })
    pipe.progress.report(at(500))
    assert.deepEqual([pipe.streams.liveTexts, pipe.streams.outText(), pipe.streams.errText()], [[], '', ''])
  })

  it('never says more than all, and says nothing that it does not know', () => {
    assert.equal(toStatus(at(5000), 0, 0).percent_done, 1)
    const unknown = toStatus({ phase: 'walk', filesDone: 3, bytesDone: 9 }, 0, 5)
    assert.deepEqual([unknown.percent_done, unknown.total_bytes, unknown.seconds_remaining], [0, null, null])
  })
})
