/**
 * Measures deductions a second, on one shared account and on a thousand accounts, with 1, 16 and 64 callers.
 *
 * @module
 */

import { atLeast, type Report, type Row, row, type Target } from '../harness/report.ts'
import { createPgbench } from './pgbench.ts'
import { type Rounds, type Setting, takeTurns } from './turns.ts'
import { createLimit, createNaive, createOurs, onMany, onOne } from './ways.ts'

const CALLERS = [1, 16, 64]
const SHAPES = [
  { shape: 'one account', pick: onOne },
  { shape: '1,000 accounts', pick: onMany },
]

/** Measures all ways side by side. */
export async function measureContention(setting: Setting): Promise<Report> {
  const limit = await createLimit(setting)
  const ours = await createOurs(setting)
  const naive = await createNaive(setting)
  const rows: Row[] = []
  const found = new Map<string, Rounds>()
  for (const { shape, pick } of SHAPES) {
    const pgbench = await createPgbench(setting.postgres.folder, limit.url, pick === onOne)
    const ways = [...limit.on(pick), ...ours.on(pick), ...naive.on(pick)]
    if (pgbench) ways.push(pgbench)
    for (const callers of CALLERS) {
      const what = `${shape}, ${callers} ${callers === 1 ? 'caller' : 'callers'}`
      const before = await naive.drift()
      const rounds = await takeTurns(what, ways, callers, setting.options)
      const after = await naive.drift()
      found.set(`${shape} ${callers}`, rounds)
      for (const { name } of ways) {
        const { perSecond, p50, p99 } = rounds.of(name)
        rows.push(row(`${what}: ${name}`, perSecond, '/s'))
        // pgbench reports no latency percentiles.
        if (Number.isNaN(p99)) continue
        rows.push(row(`${what}: ${name}, p50`, p50, 'ms'), row(`${what}: ${name}, p99`, p99, 'ms'))
      }
      const share = (after.lost - before.lost) / (after.taken - before.taken)
      rows.push(row(`${what}: naive, deductions lost`, share * 100, '%'))
    }
  }
  const target = (
    shape: string,
    callers: number,
    name: string,
    other: string,
    least: number,
  ): Target =>
    atLeast(
      `${shape}, ${callers} callers: ${name} / ${other}`,
      least,
      found.get(`${shape} ${callers}`)?.ratio(name, other) ?? Number.NaN,
    )
  return {
    rows,
    targets: [
      target('one account', 16, 'ours', 'bare UPDATE', 0.35),
      target('one account', 16, 'ours', 'naive', 2),
      target('one account', 64, 'ours, group commit', 'bare UPDATE', 1.5),
      target('one account', 64, 'ours, group commit', 'naive', 8),
      target('1,000 accounts', 16, 'ours', 'naive', 2.5),
    ],
  }
}
