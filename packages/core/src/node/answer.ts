/**
 * A Web response as Node's: cookies apart, no faster than the caller takes it, and cut off where it cannot
 * be completed, so that nobody takes a part for the whole.
 *
 * @module
 */

import { type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'

/** Belong to one connection; HTTP/2 refuses them. */
const CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

/** Added to what middleware has set; any other header takes its place. */
const ADDED = new Set(['set-cookie', 'vary'])

/** Writes status and headers. @throws TypeError, before anything is changed, for what cannot be sent */
export function writeHead(res: ServerResponse, answer: Response): void {
  if (!(answer.status >= 200 && answer.status <= 599)) {
    throw new TypeError(`${answer.status} is not the status of an answer.`)
  }
  if (answer.bodyUsed || answer.body?.locked) {
    throw new TypeError('The body of the answer was read already.')
  }
  const isOld = res.req.httpVersionMajor === 1
  const headers = [...answer.headers].filter(([name]) => isOld || !CONNECTION.has(name))
  for (const [name, value] of headers) {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  }
  res.statusCode = answer.status
  for (const [name, value] of headers) {
    if (ADDED.has(name)) res.appendHeader(name, value)
    else res.setHeader(name, value)
  }
}

/** Writes the body to its end, or until the caller is gone. @throws what the body throws */
export async function writeBody(res: ServerResponse, answer: Response): Promise<void> {
  const reader = answer.body?.getReader()
  const giveUp = () => void reader?.cancel().catch(() => {})
  if (!reader || res.req.method === 'HEAD' || res.destroyed) {
    giveUp()
    res.end()
    return
  }
  res.once('close', giveUp)
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (res.destroyed) return
      if (!res.write(next.value)) await drained(res)
    }
    res.end()
  } finally {
    res.off('close', giveUp)
    giveUp()
  }
}

/** Until there is room again, or nobody to take more. */
function drained(res: ServerResponse): Promise<void> {
  return new Promise((done) => {
    if (res.destroyed) return done()
    const stop = () => {
      res.off('drain', stop).off('close', stop)
      done()
    }
    res.on('drain', stop).on('close', stop)
  })
}
