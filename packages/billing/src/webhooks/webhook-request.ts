/**
 * For tests: a delivery as a provider sends it.
 *
 * @module
 */

/** A `POST` of JSON. */
export function webhookRequest(body: string, headers: Record<string, string>): Request {
  return new Request('http://localhost/api/webhooks', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  })
}
