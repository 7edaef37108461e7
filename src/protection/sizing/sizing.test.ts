import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { forecastFull } from './forecast.ts'
import { countOnlinePoints, yearsToCap } from './online-points.ts'
import {
  allocationBytes,
  initialCopyHours,
  isManualCopyAdvised,
  machinePoolBytes,
  poolSizeBytes,
  protectableBytes,
  scratchBytes,
} from './pool-size.ts'
import { sizeServer } from './size-server.ts'
import { chooseVolume, refuseVolumeRemoval, validatePoolVolume, volumeAlert } from './volumes.ts'

const TB = 1e12
const GB = 1e9
const DAY = 86_400_000

describe('§13 worked calculations', () => {
  it('S-041, S-042: pool by machine size, and what it protects', () => {
    assert.deepEqual(
      (['A2', 'A3', 'A4'] as const).map((size) => machinePoolBytes(size, TB) / TB),
      [4, 8, 16],
    )
    assert.deepEqual(
      [4, 8, 16].map((pool) => (protectableBytes(pool * TB).most / TB).toFixed(2)),
      ['2.67', '5.33', '10.67'],
    )
    assert.deepEqual(
      [4, 8, 16].map((pool) => protectableBytes(pool * TB).recommended / TB),
      [2, 4, 8],
    )
    assert.deepEqual(poolSizeBytes(TB), { least: 1.5 * TB, recommended: [2 * TB, 3 * TB] })
  })

  it('§3.5: 1 TB, 5 days, 1 backup a day is 1.2075 TB', () => {
    assert.equal(allocationBytes({ sizeBytes: TB, retentionDays: 5, backupsPerDay: 1 }), 1.2075 * TB)
    assert.equal(allocationBytes({ sizeBytes: TB, retentionDays: 5, backupsPerDay: 1, logBytes: GB }), 1.2075 * TB + GB)
  })

  it('scratch: 2 TB online need 100 GB', () => {
    assert.deepEqual(scratchBytes(2 * TB), { least: 100 * GB, safe: 200 * GB })
    assert.equal(scratchBytes(2 * TB, true).least, 135 * GB)
  })

  it('§3.8: 180 × 2 + 104 + 60 + 10 = 534, 14 + 8 + 24 + 10 = 56, monthly for 5 years = 60', () => {
    const on = { kind: 'date' as const, day: 1 }
    const rows = (days: number, times: string[], weeks: number, months: number, years: number) =>
      countOnlinePoints({
        daily: { days, times },
        weekly: { weeks, weekdays: ['sat'], times: ['12:00'] },
        monthly: { months, on, times: ['12:00'] },
        yearly: { years, inMonths: [3], on, times: ['12:00'] },
      }).upperBound
    assert.equal(rows(180, ['12:00', '20:00'], 104, 60, 10), 534)
    assert.equal(rows(14, ['12:00'], 8, 24, 10), 56)
    assert.equal(countOnlinePoints({ monthly: { months: 60, on, times: ['12:00'] } }).upperBound, 60, 'S-048')
    assert.equal(yearsToCap(9999, 2).toFixed(1), '13.7')
  })

  it('§7.5: initial copies take what the table says, within its rounding', () => {
    const hours = (gigabytes: number, megabits: number) => initialCopyHours({ sizeBytes: gigabytes * GB, bitsPerSecond: megabits * 1e6 })
    const table: readonly [gigabytes: number, megabits: number, hours: number][] = [
      [1, 2, 1.5], [50, 2, 71], [200, 2, 284], [500, 2, 711],
      [50, 8, 18], [200, 8, 71], [500, 8, 178], [50, 32, 5], [200, 32, 18], [500, 32, 45],
      [50, 100, 1.5], [200, 100, 6], [500, 100, 15], [50, 0.512, 284], [200, 0.512, 1137], [500, 0.512, 2844], [1, 0.512, 6],
    ] // biome-ignore format: as a table
    for (const [gigabytes, megabits, expected] of table) {
      const got = hours(gigabytes, megabits)
      assert.ok(got > expected * 0.85 && got < expected * 1.15, `${gigabytes} GB at ${megabits} Mbit/s: ${got} h, ${expected} in the table`)
    }
    const fast = initialCopyHours({ sizeBytes: 50 * GB, bitsPerSecond: 100e6, efficiency: 1 })
    assert.ok(fast > 1.1 && fast < 1.5)
    assert.equal((initialCopyHours({ sizeBytes: 3 * GB, bitsPerSecond: 10e6, efficiency: 1 }) * 60).toFixed(0), '40')
    assert.equal(isManualCopyAdvised({ sizeBytes: 6 * GB, isOverWan: true }), true)
    assert.equal(isManualCopyAdvised({ sizeBytes: 5 * GB, isOverWan: true }), false)
  })
})

describe('§13 all answers at once', () => {
  const base = { protectedBytes: 1e12, retentionDays: 5, backupsPerDay: 1, onlineBytes: 0 }
  it('1.2075 TB of allocation, S-041 and S-042 pools, 64 points, 100 GB of scratch, 534 points in the vault, 13.7 years', () => {
    assert.equal(sizeServer(base).allocationBytes, 1.2075e12)
    const machine = sizeServer({ ...base, machine: 'A2' }).machine
    assert.deepEqual(
      [machine?.poolBytes, machine?.protectable.recommended, Math.round((machine?.protectable.most ?? 0) / 1e10)],
      [4e12, 2e12, 267],
    )
    assert.equal(sizeServer({ ...base, protectedBytes: 3e12, machine: 'A2' }).machine?.isEnough, false)
    assert.deepEqual(sizeServer({ ...base, retentionDays: 22, backupsPerDay: 3 }).points, {
      onDisk: 66,
      cap: 64,
      isOverCap: true,
      longestDays: 21,
    })
    assert.equal(sizeServer({ ...base, onlineBytes: 2e12 }).scratch.least, 100e9)
    const { online } = sizeServer({ ...base, onlinePerDay: 2, rows: { daily: 180, weekly: 104, monthly: 60, yearly: 10 } })
    assert.deepEqual([online?.points, online?.isOverCap, online?.yearsToCapUnpruned.toFixed(1)], [534, false, '13.7'])
    const { systemBytes, journalBytes, scratch } = sizeServer({ ...base, systems: 2, volumes: 3 })
    assert.deepEqual([systemBytes?.most, journalBytes, scratch.least], [60 * 2 ** 30, 900 * 2 ** 20, 35e9])
  })
})

describe('§3.5 the day a volume is full', () => {
  const line = (days: number, bytesPerDay: number, start = 100 * GB) =>
    Array.from({ length: days }, (_, i) => ({ atMs: i * DAY, usedBytes: start + i * bytesPerDay }))

  it('is where the line through daily usage meets its size', () => {
    const result = forecastFull(line(11, 10 * GB), 300 * GB, 10 * DAY)
    assert.deepEqual(result, { kind: 'full-at', atMs: 20 * DAY, bytesPerDay: 10 * GB, fit: 1 })
  })

  it('is not named from too little, or from ups and downs', () => {
    assert.equal(forecastFull([], GB, 0).kind, 'not-enough-data')
    assert.equal(forecastFull(line(6, GB), TB, 6 * DAY).kind, 'not-enough-data')
    const oneDay = Array.from({ length: 100 }, (_, i) => ({ atMs: i * 1000, usedBytes: i * GB }))
    assert.equal(forecastFull(oneDay, TB, DAY).kind, 'not-enough-data')
    const zigzag = Array.from({ length: 20 }, (_, i) => ({ atMs: i * DAY, usedBytes: (i % 2 === 0 ? 100 : 500) * GB + i * GB }))
    assert.equal(forecastFull(zigzag, TB, 20 * DAY).kind, 'not-enough-data')
  })

  it('is never where usage shrinks or stays, and now where it is full', () => {
    assert.equal(forecastFull(line(20, -GB), TB, 20 * DAY).kind, 'not-growing')
    assert.equal(forecastFull(line(20, 0), TB, 20 * DAY).kind, 'not-growing')
    assert.equal(forecastFull(line(20, 10 * GB), 100 * GB, 20 * DAY).kind, 'full')
  })

  it('comes sooner the faster it grows, and is never in the past', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), fc.integer({ min: 7, max: 60 }), (a, b, days) => {
        const now = (days - 1) * DAY
        const when = (rate: number) => {
          const result = forecastFull(line(days, rate * GB, 0), 100 * TB, now)
          return result.kind === 'full-at' ? result.atMs : Number.POSITIVE_INFINITY
        }
        assert.ok(when(a) >= now)
        if (a < b) assert.ok(when(a) >= when(b))
      }),
    )
  })
})

describe('§3.5 pool volumes', () => {
  const fine = { name: 'data1', isSystem: false, isRemovable: false, isNetwork: false, isForeign: false, isReadOnly: false }

  it('33508: refuses system, removable, network and foreign volumes, and wants the name typed', () => {
    assert.deepEqual(validatePoolVolume(fine, 'data1'), [])
    assert.deepEqual(
      validatePoolVolume(fine, 'data2').map(({ domainCode }) => domainCode),
      [33508],
    )
    for (const flag of ['isSystem', 'isRemovable', 'isNetwork', 'isForeign', 'isReadOnly'] as const) {
      assert.deepEqual(
        validatePoolVolume({ ...fine, [flag]: true }, 'data1').map(({ code }) => code),
        ['POOL_VOLUME_NOT_ALLOWED'],
        flag,
      )
    }
  })

  it('40012: a volume with replicas is not removed', () => {
    assert.equal(refuseVolumeRemoval({ name: 'x', activeReplicas: 0, inactiveReplicas: 0 }), undefined)
    assert.equal(refuseVolumeRemoval({ name: 'x', activeReplicas: 1, inactiveReplicas: 0 })?.domainCode, 40012)
    assert.equal(refuseVolumeRemoval({ name: 'x', activeReplicas: 0, inactiveReplicas: 1 })?.domainCode, 40012)
  })

  it('33514, 33515, 33518: threshold, full, missing', () => {
    const alert = (usedBytes: number, rest: object = {}) => volumeAlert({ isThere: true, capacityBytes: 100, usedBytes, ...rest })
    assert.deepEqual(
      [90, 91, 99, 100].map((used) => alert(used)),
      [undefined, 'pool-volume-threshold', 'pool-volume-threshold', 'pool-volume-full'],
    )
    assert.equal(alert(96, { reserveBytes: 5 }), 'pool-volume-full')
    assert.equal(alert(0, { isThere: false }), 'pool-volume-missing')
    assert.equal(alert(60, { threshold: 0.5 }), 'pool-volume-threshold')
  })

  it('a new replica goes to a volume that is tagged for it, then to the emptiest', () => {
    const volume = (id: string, usedBytes: number, workloads: string[] = [], isThere = true) => ({
      id,
      isThere,
      capacityBytes: 1000,
      usedBytes,
      workloads,
    })
    const all = [volume('a', 100), volume('b', 500, ['files']), volume('c', 0, ['sql-full']), volume('d', 0, [], false)]
    assert.equal(chooseVolume(all, { workload: 'files', bytes: 100 })?.id, 'b')
    assert.equal(chooseVolume(all, { workload: 'files', bytes: 600 })?.id, 'a')
    assert.equal(chooseVolume(all, { workload: 'sql-full', bytes: 100 })?.id, 'c')
    assert.equal(chooseVolume(all, { workload: 'exchange', bytes: 900 }), undefined)
  })
})
