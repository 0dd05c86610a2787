/** A way to the provider on which single requests fail: refused, lost, or carried out with the answer lost. */

import { createServer } from 'node:http'
import { createBilling, createStripe } from '../index.ts'
import { type Harness, SECRET_KEY } from './harness.ts'

/** What becomes of a request: it passes, is refused with 400, never arrives, or its answer never comes back. */
export type Fate = 'pass' | 'refused' | 'lost' | 'unanswered'

export interface CuttingProxy {
  /** Billing that goes this way. */
  billing: Harness['billing']
  /** From now on: decides about each request, by method and path. */
  decide: (method: string, path: string) => Fate
  /** What was asked for, in order: `POST /v1/subscriptions/…`. */
  readonly asked: string[]
  close(): Promise<void>
}

export async function cuttingProxy(h: Harness, apiVersion?: string): Promise<CuttingProxy> {
  const proxy = { decide: () => 'pass', asked: [] as string[] } as unknown as CuttingProxy
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const { method = 'GET', url = '/' } = req
    proxy.asked.push(`${method} ${url}`)
    const fate = proxy.decide(method, url)
    if (fate === 'lost') return void res.destroy()
    if (fate === 'refused') {
      const error = { type: 'invalid_request_error', message: 'Refused for the test.' }
      res.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error }))
      return
    }
    const { host: _, connection: __, 'content-length': ___, ...rest } = req.headers
    const headers = Object.entries(rest).filter(
      (each): each is [string, string] => typeof each[1] === 'string',
    )
    const body = Buffer.concat(chunks)
    const answer = await fetch(h.url + url, {
      method,
      headers,
      ...(body.length > 0 ? { body } : {}),
    })
    const text = await answer.text()
    if (fate === 'unanswered') return void res.destroy()
    res.writeHead(answer.status, { 'content-type': 'application/json' }).end(text)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as { port: number }
  const stripe = createStripe(SECRET_KEY, {
    apiBase: `http://127.0.0.1:${port}`,
    maxNetworkRetries: 0,
    ...(apiVersion && { apiVersion }),
  })
  proxy.billing = createBilling({ ...h.settings, stripe })
  proxy.close = async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
  return proxy
}
