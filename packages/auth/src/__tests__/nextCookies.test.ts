/** Cookies between an answer of auth and a Next.js request. The app itself is tried in `@repo/demo`. */

import { expect, test } from 'vitest'
import { cookieHeader, parseSetCookie } from '../http/next-cookies.ts'

test('a cookie keeps every attribute it is set with', () => {
  const line =
    '__Host-tollgate.session_token=abc.d%2Be%3D; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Strict'
  expect(parseSetCookie(line)).toEqual({
    name: '__Host-tollgate.session_token',
    value: 'abc.d+e=',
    maxAge: 604_800,
    path: '/',
    httpOnly: true,
    secure: true,
    sameSite: 'strict',
  })
  const other =
    'state=%E0%A4%A; domain=example.com; expires=Thu, 01 Jan 1970 00:00:00 GMT; samesite=LAX; partitioned'
  expect(parseSetCookie(other)).toEqual({
    name: 'state',
    value: '%E0%A4%A',
    domain: 'example.com',
    expires: new Date(0),
    sameSite: 'lax',
    partitioned: true,
  })
})

test('an attribute that is not known, and one without a name, change nothing', () => {
  expect(parseSetCookie('a=b; Priority=High; ; =x')).toEqual({ name: 'a', value: 'b' })
  expect(parseSetCookie('a')).toEqual({ name: 'a', value: '' })
})

test('unchanged cookies stay exactly as they were sent', () => {
  const sent = 'a=1; b=x%2By; odd=%E0%A4%A;c="q"'
  const jar = [
    { name: 'a', value: '1' },
    { name: 'b', value: 'x+y' },
    { name: 'c', value: '"q"' },
  ]
  expect(cookieHeader(sent, jar)).toBe('a=1; b=x%2By; odd=%E0%A4%A; c="q"')
  expect(cookieHeader(null, [])).toBe('')
})

test('two cookies with one name both stay, so that neither is accepted', () => {
  expect(cookieHeader('s=mine; s=other', [{ name: 's', value: 'other' }])).toBe('s=mine; s=other')
  expect(cookieHeader('s=mine; s=other', [{ name: 's', value: 'mine' }])).toBe('s=mine; s=other')
})

test('cookies that this request has set, changed or deleted count', () => {
  const jar = [
    { name: 'kept', value: '1' },
    { name: 'changed', value: 'new; value' },
    { name: 'deleted', value: '' },
    { name: 'set', value: '2' },
  ]
  expect(cookieHeader('kept=1; changed=old; deleted=3; gone=4', jar)).toBe(
    'kept=1; changed=new%3B%20value; set=2',
  )
})
