import { ACCESS_COOKIE, SESSION_COOKIE } from '../session/cookies.ts'

/** The value of one cookie of a `Cookie` header. */
export function cookieValue(cookie: string, name: string): string {
  const pair = cookie.split('; ').find((candidate) => candidate.startsWith(`${name}=`))
  if (!pair) throw new Error(`There is no ${name}.`)
  return pair.slice(name.length + 1)
}

export const accessTokenOf = (cookie: string) => cookieValue(cookie, ACCESS_COOKIE)

/** The session cookie alone, as when the access token has ended. */
export const withoutAccess = (cookie: string) =>
  `${SESSION_COOKIE}=${cookieValue(cookie, SESSION_COOKIE)}`

/** The token in a session cookie, without its signature. */
export const sessionTokenOf = (cookie: string) =>
  decodeURIComponent(cookieValue(cookie, SESSION_COOKIE)).split('.')[0] as string
