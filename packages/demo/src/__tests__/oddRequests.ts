/** Requests that no honest client would send, as bytes, for every route of a host. */

export interface Entry {
  method: string
  path: string
  /** Content type and body of an ordinary request. */
  type?: string
  body?: string
  /** Further headers of an ordinary request. */
  headers?: string
}

export interface OddRequest {
  name: string
  bytes: string
  /** Closes our side of the connection after too few bytes. */
  isCut?: true
}

const JSON_TYPE = 'application/json'
const FORM_TYPE = 'application/x-www-form-urlencoded'
const OWN = 'Origin: http://localhost:3000\r\n'
/** A body that is refused before a password is hashed, because hashing takes a third of a second. */
const EMAIL = '{"email":"nobody","password":"wrong password 1"}'

export const ENTRIES: Entry[] = [
  { method: 'GET', path: '/api/auth/get-session' },
  { method: 'POST', path: '/api/auth/sign-in/email', type: JSON_TYPE, body: EMAIL, headers: OWN },
  { method: 'POST', path: '/api/auth/access/refresh', type: JSON_TYPE, body: '{}', headers: OWN },
  { method: 'GET', path: '/api/auth/access/renew?next=/x' },
  { method: 'GET', path: '/api/auth/callback/github?code=a&state=b' },
  { method: 'GET', path: '/api/auth/jwks' },
  {
    method: 'POST',
    path: '/sign-in',
    type: FORM_TYPE,
    body: 'email=nobody&password=wrong+password+1',
    headers: OWN,
  },
  { method: 'GET', path: '/me' },
  { method: 'GET', path: '/api/limited' },
  {
    method: 'GET',
    path: '/edge',
    headers:
      'Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n',
  },
  {
    method: 'GET',
    path: '/edge',
    headers: 'Sec-Fetch-Mode: navigate\r\nCookie: tollgate.session_token=x\r\n',
  },
  { method: 'GET', path: '/edge/me' },
  {
    method: 'POST',
    path: '/api/webhooks/stripe',
    type: JSON_TYPE,
    body: '{"id":"evt_1","object":"event"}',
    headers: 'Stripe-Signature: t=1,v1=aa\r\n',
  },
  {
    method: 'POST',
    path: '/api/webhooks/calcom',
    type: JSON_TYPE,
    body: '{"triggerEvent":"BOOKING_CREATED"}',
    headers: 'X-Cal-Signature-256: aa\r\n',
  },
  {
    method: 'GET',
    path: '/api/payment/callback?order_id=00000000-0000-0000-0000-000000000000&status=success',
  },
  { method: 'POST', path: '/api/payment/callback', type: JSON_TYPE, body: '{}' },
  {
    method: 'POST',
    path: '/api/payment/create-order',
    type: JSON_TYPE,
    body: '{"productId":"CREDITS_SMALL"}',
  },
  { method: 'POST', path: '/api/cron' },
]

/** A request with parts of it replaced. */
function bytesOf(entry: Entry, change: Partial<Entry & { host: string; more: string }> = {}) {
  const { method, path, type, body = '', headers = '' } = { ...entry, ...change }
  const typed = type ? `Content-Type: ${type}\r\n` : ''
  const sized = type ? `Content-Length: ${body.length}\r\n` : ''
  const { host = 'Host: localhost:3000\r\n', more = '' } = change
  return `${method} ${path} HTTP/1.1\r\n${host}${headers}${more}${typed}${sized}Connection: close\r\n\r\n${body}`
}

const HOSTS: Record<string, string> = {
  'no host': '',
  'an empty host': 'Host:\r\n',
  'a bracket for a host': 'Host: [\r\n',
  'a blank in the host': 'Host: a b\r\n',
  'a user in the host': 'Host: user:secret@localhost:3000\r\n',
  'a path in the host': 'Host: localhost:3000/../x?y#z\r\n',
  'another host': 'Host: evil.example\r\n',
  'a host of bytes': 'Host: \xff\xc3\x28\r\n',
  'a host with a port beyond ports': 'Host: localhost:99999999\r\n',
  'a host of ten kilobytes': `Host: ${'h'.repeat(10_240)}\r\n`,
  'two hosts': 'Host: localhost:3000\r\nHost: evil.example\r\n',
  'a forwarded bracket': 'Host: a\r\nX-Forwarded-Host: [\r\nX-Forwarded-Proto: a b\r\n',
}

const TARGETS: Record<string, (path: string) => string> = {
  'an absolute target': (path) => `http://evil.example${path}`,
  'an absolute target without a path': () => 'http://evil.example',
  'an absolute target that is broken': (path) => `http://[${path}`,
  'a target of another scheme': (path) => `file://${path}`,
  'a star': () => '*',
  'an authority': () => 'evil.example:443',
  'two slashes': (path) => `//evil.example${path}`,
  'a slash and a backslash': (path) => `/\\evil.example${path}`,
  'a backslash at the end': (path) => `${path}\\`,
  'the parent of the root': () => '/..',
  'dots that lead back': (path) => `/x/..${path}`,
  'encoded dots': (path) => `/x/%2e%2e${path}`,
  'a bad percent sign': (path) => path.replace(/(\?|$)/, '/%zz$1'),
  'a bad percent sign in the query': (path) => `${path}${path.includes('?') ? '&' : '?'}x=%zz%`,
  'broken UTF-8': (path) => path.replace(/(\?|$)/, '/%c3%28$1'),
  'a null byte': (path) => path.replace(/(\?|$)/, '%00$1'),
  'a null byte in the query': (path) =>
    `${path}${path.includes('?') ? '&' : '?'}order_id=%00&next=%00`,
  'a line break': (path) => path.replace(/(\?|$)/, '%0d%0aSet-Cookie:x=y$1'),
  'bytes of no alphabet': (path) => `${path}\xff\xfe`,
  'a fragment': (path) => `${path}#x`,
  'a tab': (path) => `${path}\tx`,
  'a name of JavaScript': (path) => path.replace(/[^/?]+(\?|$)/, '__proto__$1'),
  'eight kilobytes': (path) => `${path}${path.includes('?') ? '&' : '?'}x=${'a'.repeat(8_192)}`,
  'a hundred kilobytes': (path) => `${path}${'a'.repeat(102_400)}`,
}

const METHODS =
  'TRACE CONNECT TRACK PUT PATCH DELETE OPTIONS HEAD PROPFIND QUERY get post FOO G\x01T'

const HEADERS: Record<string, string> = {
  'cookies of bytes': 'Cookie: a=\xff\xfe; =; ;;; =x; tollgate.session_token=%zz\r\n',
  'a session of junk': `Cookie: tollgate.session_token=${'%ff.'.repeat(500)}\r\n`,
  'a token of junk':
    'Cookie: tollgate.access_token=ey.ey.ey\r\nAuthorization: Bearer \xff.\xff.\xff\r\n',
  'two sessions': 'Cookie: tollgate.session_token=a\r\nCookie: tollgate.session_token=b\r\n',
  'cookies named like methods': 'Cookie: __proto__=a; constructor=b; toString=c\r\n',
  'two authorizations': 'Authorization: Bearer a\r\nAuthorization: Bearer b\r\n',
  'an authorization of bytes': 'Authorization: Basic \xff\xfe\x80\r\n',
  'forwarded junk': 'X-Forwarded-For: [, ::ffff:999.1.1.1, \xff, 1.2.3.4:99999999\r\n',
  'a thousand forwarded': `X-Forwarded-For: ${'1.1.1.1, '.repeat(1_000)}\r\n`,
  'an origin of null': 'Origin: null\r\n',
  'a referer of junk': 'Referer: http://[\r\nSec-Fetch-Site: \xff\r\n',
  'a type of junk': 'Content-Type: ;;=\xff\r\n',
  'two types': 'Content-Type: application/json\r\nContent-Type: text/plain\r\n',
  'signatures of junk': `Stripe-Signature: t=${'9'.repeat(400)},v1=\xff\r\nX-Cal-Signature-256: \xff\r\n`,
  'an upgrade': 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n',
  'an upgrade to HTTP/2':
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n',
  'a tea pot': 'Expect: tea\r\n',
  'a header on two lines': 'X-Long: a\r\n b\r\n\tc\r\n',
  'a header without a name': ': a\r\n',
  'a header without a colon': 'nothing\r\n',
  'a header named like a method': '__proto__: a\r\nconstructor: b\r\n',
  'a lone line break': 'X-A: a\nX-B: b\r\n',
  'a null byte in a header': 'X-A: a\x00b\r\n',
  'fifteen kilobytes of headers': `X-Long: ${'a'.repeat(15_000)}\r\n`,
  'twenty kilobytes of headers': `X-Long: ${'a'.repeat(20_000)}\r\n`,
  'three thousand headers': 'a:b\r\n'.repeat(3_000),
}

const BODIES: Record<string, [headers: string, body: string, isCut?: true]> = {
  'no body though one is announced': ['Content-Length: 10\r\n', '', true],
  'half a body': ['Content-Length: 10\r\n', '{"a":', true],
  'half a chunk': ['Transfer-Encoding: chunked\r\n', 'a\r\n{"a":', true],
  'no last chunk': ['Transfer-Encoding: chunked\r\n', '2\r\n{}\r\n', true],
  'a bad chunk': ['Transfer-Encoding: chunked\r\n', '2\r\n{}\r\nzz\r\n'],
  'a chunk beyond counting': ['Transfer-Encoding: chunked\r\n', 'fffffffffffffffff\r\n{}'],
  'a chunk of all there is': ['Transfer-Encoding: chunked\r\n', 'ffffffffffffffff\r\n{}', true],
  'chunks and a length': ['Transfer-Encoding: chunked\r\nContent-Length: 2\r\n', '0\r\n\r\n'],
  'two lengths': ['Content-Length: 2\r\nContent-Length: 3\r\n', '{} '],
  'a length of letters': ['Content-Length: two\r\n', '{}'],
  'a length below nothing': ['Content-Length: -1\r\n', '{}'],
  'more than its length': ['Content-Length: 2\r\n', '{}{}{}\r\n\r\n'],
  'an unknown encoding': ['Transfer-Encoding: gzip, chunked\r\n', '2\r\n{}\r\n0\r\n\r\n'],
  'a body that says it is compressed': ['Content-Encoding: gzip\r\nContent-Length: 2\r\n', '{}'],
  'a wait for more': ['Expect: 100-continue\r\nContent-Length: 2\r\n', '{}'],
  'no bytes': ['Content-Length: 0\r\n', ''],
  'bytes that are no text': ['Content-Length: 4\r\n', '\xff\xfe\x00\x80'],
  'JSON null': ['Content-Length: 4\r\n', 'null'],
  'a deep nest': ['Content-Length: 60000\r\n', '['.repeat(60_000)],
  'names of JavaScript': [
    'Content-Length: 46\r\n',
    '{"__proto__":{"a":1},"constructor":{"b":[]}}  ',
  ],
  'seventy kilobytes': ['Content-Length: 70000\r\n', ' '.repeat(70_000)],
  'a megabyte': ['Content-Length: 1048576\r\n', ' '.repeat(1_048_576)],
}

/** Every odd form of a request to `entry`. */
export function oddRequests(entry: Entry): OddRequest[] {
  const odd: OddRequest[] = []
  for (const [name, host] of Object.entries(HOSTS))
    odd.push({ name, bytes: bytesOf(entry, { host }) })
  for (const [name, target] of Object.entries(TARGETS)) {
    odd.push({ name, bytes: bytesOf(entry, { path: target(entry.path) }) })
  }
  for (const method of METHODS.split(' ')) {
    odd.push({ name: `the method ${JSON.stringify(method)}`, bytes: bytesOf(entry, { method }) })
  }
  for (const [name, more] of Object.entries(HEADERS)) {
    odd.push({ name, bytes: bytesOf(entry, { more }) })
  }
  for (const [name, [headers, body, isCut]] of Object.entries(BODIES)) {
    const type = entry.type ?? JSON_TYPE
    const head = `${entry.headers ?? ''}Content-Type: ${type}\r\n${headers}`
    const bytes = `POST ${entry.path} HTTP/1.1\r\nHost: localhost:3000\r\n${head}Connection: close\r\n\r\n${body}`
    odd.push({ name, bytes, ...(isCut ? { isCut } : {}) })
  }
  return odd
}

/** An ordinary request, to check that the host still answers. */
export const plainRequest = (entry: Entry): string => bytesOf(entry)
