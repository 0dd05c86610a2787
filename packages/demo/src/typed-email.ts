/**
 * The address that somebody has typed into a form, for the pages after it: the form again after a refusal, and
 * “Check your mail”. It stays in a strict cookie of ten minutes that no script reads. It is never in a URL, because
 * URLs are logged and shared.
 *
 * @module
 */

import type { Auth, FormAction } from '@repo/auth'
import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'
import { serialize } from 'hono/utils/cookie'

const COOKIE = 'acme.typed_email'
const SECONDS = 600

/** The address that this browser typed a moment ago; undefined if there is none. */
export const typedEmail = (c: Context): string | undefined => getCookie(c, COOKIE) || undefined

/** Whether the address is kept after a success too, or forgotten then. */
export type Kept = 'always' | 'until_success'

/** Answers a form with an `email` field as `formAction` does, and keeps the address for the next page. */
export async function emailForm(
  auth: Pick<Auth, 'formAction' | 'baseURL'>,
  c: Context,
  action: FormAction,
  kept: Kept,
): Promise<Response> {
  let email = ''
  const fields = (form: FormData) => {
    email = String(form.get('email') ?? '').slice(0, 254)
    const { next: _, ...body } = Object.fromEntries(form)
    return body
  }
  const answer = await auth.formAction(c.req.raw, { ...action, fields })
  const isRefused = /[?&]error=/.test(answer.headers.get('location') ?? '')
  const isKept = email !== '' && (isRefused || kept === 'always')
  if (isKept || typedEmail(c) !== undefined) {
    answer.headers.append('set-cookie', cookie(isKept ? email : '', auth.baseURL))
  }
  return answer
}

const cookie = (email: string, baseURL: string): string =>
  serialize(COOKIE, email, {
    httpOnly: true,
    maxAge: email === '' ? 0 : SECONDS,
    path: '/',
    sameSite: 'Strict',
    secure: baseURL.startsWith('https:'),
  })
