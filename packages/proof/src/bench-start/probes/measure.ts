/**
 * Measures parts of a process's start and prints them as one line of JSON.
 *
 * @module
 */

/** What one part of the start took. */
export interface Part {
  /** Wall-clock time, in milliseconds. */
  ms: number
  /** Processor time of all threads, in milliseconds. */
  cpuMs: number
  /** Memory of the process at the end of the part, in MB. */
  rssMb: number
}

/** The settings that the parent passes as an argument. */
export const settings = <Settings>(): Settings => JSON.parse(process.argv[2] ?? '{}') as Settings

/** Runs `work` and returns what it took, with its result. */
export async function measured<T>(work: () => Promise<T>): Promise<{ part: Part; result: T }> {
  const cpu = process.cpuUsage()
  const since = performance.now()
  const result = await work()
  const ms = performance.now() - since
  const { user, system } = process.cpuUsage(cpu)
  const rssMb = process.memoryUsage().rss / 1e6
  return { part: { ms, cpuMs: (user + system) / 1000, rssMb }, result }
}

/** Prints the parts and ends the process, whatever is still open. */
export function finish(parts: Record<string, Part>): void {
  process.stdout.write(`${JSON.stringify(parts)}\n`, () => process.exit())
}
