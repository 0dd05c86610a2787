/**
 * A Web response written to Node's: each cookie in a header of its own, the body no faster than the caller
 * takes it.
 *
 * @module
 */

import { type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'

/** Headers of one connection, which HTTP/2 refuses. */
const CONNECTION = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

/** Added to the values that middleware has set; other headers replace them. */
const ADDED = new Set(['set-cookie', 'vary'])

/** Writes status and headers. @throws TypeError for an answer that cannot be sent, and has changed nothing */
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

/** Writes the body to its end, or until the caller leaves. @throws the error of a body that fails */
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

/** Waits until the connection takes more, or is closed. */
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
