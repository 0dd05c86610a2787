/**
 * What Better Auth's endpoints are given at all: bodies of a size that a form can have, and no null
 * character, which PostgreSQL cannot store.
 *
 * @module
 */

import { AuthError } from './errors.ts'

const LONGEST_BODY = 64 * 1024

/**
 * The request with its body read.
 *
 * @throws `payload_too_large` (413), `invalid_body` (400)
 */
export async function checkedRequest(req: Request): Promise<Request> {
  refuseNull(req.url, /%00/)
  if (req.body === null) return req
  const body = await readBody(req)
  const { method, headers } = req
  const isForm = headers.get('content-type')?.includes('x-www-form-urlencoded')
  refuseNull(new TextDecoder().decode(body), isForm ? /\0|%00/ : /\0|(?<!\\)(\\\\)*\\u0000/)
  return new Request(req.url, { method, headers, body })
}

async function readBody(req: Request): Promise<Uint8Array<ArrayBuffer>> {
  if (Number(req.headers.get('content-length')) > LONGEST_BODY) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of req.body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > LONGEST_BODY) throw tooLarge()
    chunks.push(chunk)
  }
  return Uint8Array.from(Buffer.concat(chunks))
}

const tooLarge = () =>
  new AuthError('payload_too_large', `The body is larger than ${LONGEST_BODY / 1024} KiB.`)

function refuseNull(text: string, pattern: RegExp): void {
  if (pattern.test(text)) throw new AuthError('invalid_body', 'A null character is in the request.')
}

/** Two requests that made the same row at once: the slower one may come again. Else what was thrown. */
export function refusalOf(thrown: unknown): unknown {
  const isUnique = (thrown as { code?: unknown } | null)?.code === 'P2002'
  return isUnique ? new AuthError('conflict', 'Another request was faster. Try again.') : thrown
}
