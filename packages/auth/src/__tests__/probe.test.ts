import { test } from 'vitest'
import { sameSiteHop } from '../hop.ts'
import { createTestAuth, TEST_ORIGIN, TEST_PASSWORD, cookiesOf, tokenOf } from '../testing.ts'
import { setUpAuth } from './setup.ts'
const setup = setUpAuth({ github: { clientId: 'a', clientSecret: 'b' } })
const form = (body: string, headers: Record<string, string> = {}) =>
  new Request(TEST_ORIGIN + '/sign-in', { method: 'POST', body, headers: { origin: TEST_ORIGIN, 'content-type': 'application/x-www-form-urlencoded', ...headers } })
const say = (...a: unknown[]) => console.log('PROBE', ...a)
test('probe', async () => {
  const hop = sameSiteHop(new Request('http://localhost:3000//evil.example/x', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } }))
  say('hop', await hop?.text())
  for (const callbackURL of ['/.//evil.example', '//evil.example', '/..//evil.example/'])
    say('cb', callbackURL, (await setup.auth.post('/sign-in/social', { provider: 'github', callbackURL })).status)
  const { email } = await setup.auth.signIn()
  const act = { path: '/sign-in/email', success: '/d', failure: '/f' }
  const tryit = async (n: string, f: () => Promise<Response>) => { try { const r = await f(); say(n, r.status, r.headers.get('location'), r.status >= 300 ? '' : await r.text()) } catch (e) { say(n, 'THROWS', (e as {status?: number}).status, String(e)) } }
  await tryit('next unicode', () => setup.auth.formAction(form(new URLSearchParams({ email, password: TEST_PASSWORD, next: '/中' }).toString()), act))
  await tryit('json body', () => setup.auth.formAction(form('{}', { 'content-type': 'application/json' }), act))
  await tryit('bad multipart', () => setup.auth.formAction(form('xx', { 'content-type': 'multipart/form-data; boundary=a' }), act))
  await setup.auth.post('/sign-up/email', { name: 'A', email: 'c@example.com', password: TEST_PASSWORD }); await setup.auth.settled()
  const token = tokenOf(setup.auth.outbox, 'WelcomeEmail')
  say('token has', Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  const raw = (headers: Record<string,string>) => setup.auth.handler(new Request(TEST_ORIGIN + '/api/auth/confirm-email', { method: 'POST', body: JSON.stringify({ token: 'zzz' }), headers: { 'content-type': 'application/json', ...headers } }))
  for (const h of [{}, { origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, { origin: 'https://evil.example', cookie: 'a=b' }, { cookie: 'a=b' }] as Record<string,string>[]) { const r = await raw(h); say('confirm', JSON.stringify(h), r.status, await r.text()) }
  for (let i = 0; i < 2; i++) { const r = await setup.auth.post('/confirm-email', { token }); say('confirm again', r.status, await r.text()) }
  const f = await setup.auth.handler(new Request(TEST_ORIGIN + '/api/auth/confirm-email', { method: 'POST', body: 'token=abc', headers: { 'content-type': 'application/x-www-form-urlencoded', origin: TEST_ORIGIN } })); say('form body', f.status, await f.text())
  // rate limits
  const rl = async (opts: object, mk: (i: number) => Record<string,string>, viaForm = false) => {
    const a = createTestAuth({ db: setup.db, rateLimit: true, ...opts }); const out = []
    for (let i = 0; i < 5; i++) { const r = viaForm ? await a.formAction(form('email=n%40example.com&password=wrongwrongwrong', mk(i)), act) : await a.post('/sign-in/email', { email: 'n@example.com', password: 'wrongwrongwrong' }, { headers: mk(i) }); out.push(viaForm ? r.headers.get('location') : r.status) }
    return out.join(' ')
  }
  say('rl different xff', await rl({}, (i) => ({ 'x-forwarded-for': `203.0.113.${i}` })))
  say('rl multihop', await rl({}, (i) => ({ 'x-forwarded-for': `203.0.113.${i}, 10.0.0.1` })))
  say('rl none', await rl({}, () => ({})))
  say('rl cf header via form', await rl({ ipAddressHeaders: ['cf-connecting-ip'] }, (i) => ({ 'cf-connecting-ip': `203.0.113.${i}` }), true))
  say('rl xff via form', await rl({}, (i) => ({ 'x-forwarded-for': `203.0.113.${i}` }), true))
  for (const p of ['/sign-in/email', '/nope', '/sign-in/social']) { const r = await setup.auth.handler(new Request(TEST_ORIGIN + '/api/auth' + p, { method: 'POST', body: '{bad', headers: { 'content-type': 'application/json', origin: TEST_ORIGIN } })); say('malformed', p, r.status, await r.text()) }
  say('error page', (await setup.auth.handler(new Request(TEST_ORIGIN + '/api/auth/callback/github?error=access_denied'))).status, (await setup.auth.handler(new Request(TEST_ORIGIN + '/api/auth/callback/github?code=a&state=zz'))).headers.get('location') )
  const cbr = await setup.auth.handler(new Request(TEST_ORIGIN + '/api/auth/callback/github?code=a&state=zz')); say('callback bad state', cbr.status, await cbr.text())
  const g = await setup.auth.handler(new Request(TEST_ORIGIN + '/api/auth/reset-password/tok?callbackURL=/x')); say('GET reset', g.status, g.headers.get('location'))
  say(cookiesOf(g))
}, 60000)
