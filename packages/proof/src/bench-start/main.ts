/**
 * `pnpm bench start`: measures what a cold start costs. Each figure comes from a fresh process of plain Node that
 * imports the packages as built by `pnpm build`; our processes and the peers' take turns. Bundles are made with
 * esbuild.
 *
 * @module
 */

import { say } from '../harness/command.ts'
import { atMost, median, type Report, type Row, row } from '../harness/report.ts'
import { run } from '../harness/run.ts'
import type { Scope } from '../harness/scope.ts'
import { bundle } from './bundles.ts'
import { programs } from './modules.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { prepare, probe } from './probe.ts'
import type { Part } from './probes/measure.ts'
import { imports, requests, type Subject } from './subjects.ts'

/** The parts of a subject, one from each round. */
type Rounds = Map<string, Record<string, Part>[]>

async function measure({ rounds }: Options, scope: Scope): Promise<Report> {
  await prepare()
  const imported = imports()
  say('starting PostgreSQL')
  const requested = await requests(scope)
  const found = await takeTurns([...imported, ...requested], rounds)
  const bundles = await measureBundles()
  const of = (name: string, part: string, figure: keyof Part) =>
    median((found.get(name) ?? []).map((parts) => (parts[part] as Part)[figure]))
  /** The median of the rounds' ratios: both sides of one ratio ran close to each other. */
  const ratio = (figure: keyof Part) => {
    const sides = ['ours, all three', 'peers, all three'].map((name) =>
      (found.get(name) ?? []).map((parts) => (parts.import as Part)[figure]),
    )
    const [ours = [], theirs = []] = sides
    return median(ours.map((value, at) => value / (theirs[at] ?? Number.NaN)))
  }
  return {
    rows: [
      ...imported.flatMap(({ name }) => rowsOf(`import ${name}`, name, 'import', of)),
      ...requested.flatMap(({ name }) => rowsOf(`first ${name}`, name, 'first', of)),
      ...bundles.rows,
    ],
    targets: [
      atMost('import, ours / peers, time', 0.5, ratio('ms')),
      atMost('import, ours / peers, processor', 0.5, ratio('cpuMs')),
      atMost('first getSession', 150, of('getSession', 'first', 'ms'), ' ms'),
      atMost('first webhook', 150, of('webhook', 'first', 'ms'), ' ms'),
      ...bundles.ratios.map(({ name, value }) => atMost(`bundle, ${name}`, 1, value)),
    ],
  }
}

async function takeTurns(subjects: Subject[], rounds: number): Promise<Rounds> {
  const found: Rounds = new Map()
  // The first processes read the files from the disk, so one run of each is not counted.
  for (const subject of subjects) await probe(subject.probe, await subject.settings())
  for (let round = 1; round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}`)
    for (const subject of subjects) {
      const parts = await probe(subject.probe, await subject.settings())
      found.set(subject.name, [...(found.get(subject.name) ?? []), parts])
    }
  }
  return found
}

function rowsOf(
  label: string,
  name: string,
  part: string,
  of: (name: string, part: string, figure: keyof Part) => number,
): Row[] {
  return [
    row(label, of(name, part, 'ms'), 'ms'),
    row(`${label}, processor`, of(name, part, 'cpuMs'), 'ms'),
    row(`${label}, memory after`, of(name, part, 'rssMb'), 'MB'),
  ]
}

async function measureBundles() {
  say('bundling')
  const rows: Row[] = []
  const ratios: { name: string; value: number }[] = []
  for (const pair of programs()) {
    const totals: number[] = []
    for (const program of pair) {
      const { total, atStart } = await bundle(program)
      totals.push(total)
      rows.push(row(`bundle ${program.name}`, total, 'kB'))
      rows.push(row(`bundle ${program.name}, loaded at start`, atStart, 'kB'))
    }
    const [ours = Number.NaN, theirs = Number.NaN] = totals
    ratios.push({ name: pair.map(({ name }) => name).join(' / '), value: ours / theirs })
  }
  return { rows, ratios }
}

await run(USAGE, readOptions, measure)
