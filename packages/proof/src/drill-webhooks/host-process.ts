/** A host's web process: receives webhooks, and syncs the customers of visitors. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@repo/core/node'
import { serve, settingsOf } from '../harness/child.ts'
import { silent } from '../harness/silent.ts'
import { APP_URL, createProduct, type ProductSettings } from './product.ts'

const { db, billing } = createProduct(settingsOf<ProductSettings>())

async function route(request: Request): Promise<Response> {
  const [, what, ownerId = ''] = new URL(request.url).pathname.split('/')
  if (what === 'api') return billing.handleStripeWebhook(request)
  // As on the page to which a buyer returns.
  const { written } = await billing.syncCustomer(ownerId)
  return Response.json({ written })
}

const server = createServer(toNodeHandler(route, { baseURL: APP_URL, logger: silent }))
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  serve({ url: `http://127.0.0.1:${port}` }, async () => {
    server.close()
    server.closeAllConnections()
    await db.$disconnect()
  })
})
