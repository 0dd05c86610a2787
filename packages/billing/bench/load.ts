/**
 * A load: so many requests at a time until all are answered, each with how long it took. Requests
 * are made and signed beforehand, and the heap is cleared, so that only answering is timed.
 *
 * @module
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Figures {
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
}

export type Handle = (request: Request) => Promise<Response>

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** @throws unless each answer is 200. */
export async function load(
  requests: Request[],
  concurrency: number,
  handle: Handle,
): Promise<Figures> {
  collectGarbage()
  const latencies = new Float64Array(requests.length)
  let next = 0
  const lane = async () => {
    while (next < requests.length) {
      const at = next++
      const began = performance.now()
      const response = await handle(requests[at] as Request)
      latencies[at] = performance.now() - began
      if (response.status !== 200) throw new Error(`A webhook was answered ${response.status}.`)
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: concurrency }, lane))
  const seconds = (performance.now() - began) / 1000
  latencies.sort()
  const quantile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? 0
  return { perSecond: requests.length / seconds, p50: quantile(0.5), p99: quantile(0.99) }
}
