/** Between billing and the stand-in: what Stripe answers for some accounts and the stand-in does not. */

import { createServer } from 'node:http'
import { createStripe } from '../index.ts'
import { SECRET_KEY } from './harness.ts'

export interface Answer {
  status: number
  body: unknown
  headers?: Record<string, string>
}

export interface Request {
  method: string
  /** With its query. */
  path: string
}

/** A client whose requests pass through `answer` first; what that leaves undefined is asked of the stand-in. */
export async function between(
  url: string,
  answer: (request: Request) => Answer | undefined,
  secretKey = SECRET_KEY,
) {
  const requests: Request[] = []
  const server = createServer(async (req, res) => {
    const { method = 'GET', url: path = '/' } = req
    requests.push({ method, path })
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const own = answer({ method, path })
    if (own) {
      const headers = { 'content-type': 'application/json', ...own.headers }
      res.writeHead(own.status, headers).end(JSON.stringify(own.body))
      return
    }
    const { host, connection, ...headers } = req.headers as Record<string, string>
    delete headers['content-length']
    const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}
    const real = await fetch(url + path, { method, headers, ...body })
    res.writeHead(real.status, { 'content-type': 'application/json' }).end(await real.text())
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  const apiBase = `http://127.0.0.1:${port}`
  return {
    requests,
    stripe: createStripe(secretKey, { apiBase, maxNetworkRetries: 0 }),
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

export const refusal = (status: number, error: object): Answer => ({ status, body: { error } })
