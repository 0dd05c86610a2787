/**
 * Writes a Web response to Node's response: each cookie in a header of its own, and the body no faster than
 * the client reads it.
 *
 * @module
 */

import { type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'

/** Headers that describe one connection. HTTP/2 refuses them. */
const CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

/** Headers whose values are added to those that middleware has set. Other headers replace them. */
const ADDED = new Set(['set-cookie', 'vary'])

/** Writes status and headers. @throws TypeError for a response that cannot be sent; nothing is written then */
export function writeHead(res: ServerResponse, answer: Response): void {
  if (!(answer.status >= 200 && answer.status <= 599)) {
    throw new TypeError(`${answer.status} is not a valid response status. Use 200 to 599.`)
  }
  if (answer.bodyUsed || answer.body?.locked) {
    throw new TypeError('The body of the response was already read.')
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

/** Writes the body until it ends or the client leaves. @throws the error of a body that fails */
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

/** Waits until the connection accepts more data or is closed. */
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
