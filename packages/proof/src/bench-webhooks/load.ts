/**
 * Sends requests, `concurrency` at a time, and measures how long each answer takes. Requests are created and
 * signed beforehand, and garbage is collected, so that only the answers are timed.
 *
 * @module
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The result of a load. */
export interface Figures {
  perSecond: number
  /** Latencies in milliseconds. */
  p50: number
  p99: number
}

/** A webhook handler. */
export type Handle = (request: Request) => Promise<Response>

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Sends all requests to `handle`. @throws if an answer is not 200. */
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
      if (response.status !== 200)
        throw new Error(`A webhook was answered with ${response.status} instead of 200.`)
    }
  }
  const began = performance.now()
  await Promise.all(Array.from({ length: concurrency }, lane))
  const seconds = (performance.now() - began) / 1000
  latencies.sort()
  const quantile = (share: number) => latencies[Math.floor(share * (latencies.length - 1))] ?? 0
  return { perSecond: requests.length / seconds, p50: quantile(0.5), p99: quantile(0.99) }
}
