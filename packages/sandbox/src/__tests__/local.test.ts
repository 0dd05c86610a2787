/** `tollgate dev` beside a host that knows nothing of it: real processes, a real PostgreSQL, real ports. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { freePort, startPostgres } from '@repo/db/testing'
import Stripe from 'stripe'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { hostCommand, parseLocal } from '../dev/command.ts'
import { localEnvironment, requireDevelopment } from '../dev/environment.ts'
import { migrateLocal, openDatabase, usablePort } from '../dev/services.ts'
import { OLD, subscribe } from './harness.ts'
import { type Dev, dev, type HostFolder, isAlive, makeHost } from './local-host.ts'

interface Answer {
  env: Record<string, string>
  hooks: { url: string; type: string }[]
  child: number
}

let host: HostFolder
let port: number
let sandboxPort: number
beforeAll(async () => {
  host = await makeHost({
    '.env':
      'FROM_FILE=env\nGOOGLE_CLIENT_ID=mine\nGOOGLE_CLIENT_SECRET=mine too\nSTRIPE_SECRET_KEY=\n',
    '.env.local': 'FROM_FILE=local\n',
  })
  ;[port, sandboxPort] = [await freePort(), await freePort()]
})
afterAll(() => host.remove())

const flags = () => ['--into', host.folder, '--port', `${port}`, '--sandbox-port', `${sandboxPort}`]
const answer = async () => (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as Answer

async function running(args: string[] = flags(), env: Record<string, string> = {}): Promise<Dev> {
  const started = dev(args, env)
  onTestFinished(async () => {
    started.signal('SIGTERM')
    await started.exited
  })
  return started
}

/** Listens on a port, so that nobody else can. */
async function occupied(wanted = 0): Promise<{ port: number; server: Server }> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(wanted, done))
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, server }
}

/** Uses each control of the stand-in, which runs in another process, and waits for its webhook at the host. */
async function useEveryControl(): Promise<void> {
  const at = { host: '127.0.0.1', port: sandboxPort, protocol: 'http' } as const
  const apiVersion = OLD as Stripe.LatestApiVersion
  const stripe = new Stripe('sk_test_local', { ...at, apiVersion, telemetry: false })
  const url = `http://127.0.0.1:${sandboxPort}/controls/stripe`
  const used = new Set<string>()
  const use = async (name: string, body: object = {}): Promise<Record<string, unknown>> => {
    used.add(name)
    const headers = { 'content-type': 'application/json' }
    const sent = await fetch(`${url}/${name}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    const done = (await sent.json()) as Record<string, unknown>
    expect([name, sent.status, done.error]).toEqual([name, 200, undefined])
    return done
  }
  const times = async (type: string) =>
    (await answer()).hooks.filter((each) => each.type === type).length
  const arrives = (type: string, count = 1) =>
    expect.poll(() => times(type), { message: type }).toBeGreaterThanOrEqual(count)
  const newest = async () => (await stripe.paymentIntents.list({ limit: 1 })).data[0]?.id as string

  const { subscription, customer, price } = await subscribe(stripe)
  const own = { subscription: subscription.id }
  await use('renew', own)
  await arrives('invoice.paid', 2)
  const payment = await newest()
  await use('refund', { payment, amount: 100 })
  await arrives('charge.refunded')
  const dispute = await use('dispute', { payment })
  await arrives('charge.dispute.created')
  await use('close_dispute', { dispute: dispute.id, status: 'won' })
  await arrives('charge.dispute.closed')
  await use('fail_payment', own)
  await arrives('invoice.payment_failed')
  const items = [{ price: price.id }]
  const trial = await stripe.subscriptions.create({
    customer: customer.id,
    items,
    trial_period_days: 30,
  })
  await use('trial_will_end', { subscription: trial.id })
  await arrives('customer.subscription.trial_will_end')
  await use('end', own)
  await arrives('customer.subscription.deleted')

  const waiting = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items,
      default_payment_method: 'pm_card_authenticationRequired',
    })
  const confirmed = await waiting()
  await use('settle_payment', { payment: await newest(), outcome: 'succeeded' })
  expect((await stripe.subscriptions.retrieve(confirmed.id)).status).toBe('active')
  const expired = await use('expire', { subscription: (await waiting()).id })
  expect(expired.status).toBe('incomplete_expired')

  // Again and twice: an event that arrived before. Late: an event that was held back.
  const [event] = (await stripe.events.list({ type: 'charge.refunded' })).data
  await use('send_again', { event: event?.id })
  await arrives('charge.refunded', 2)
  await use('send_again', { event: event?.id, times: 2 })
  await arrives('charge.refunded', 4)
  await use('hold')
  const before = await times('product.created')
  await stripe.products.create({ name: 'Late' })
  const [late] = (await stripe.events.list({ type: 'product.created', limit: 1 })).data
  expect(late?.pending_webhooks).toBe(1)
  expect(await times('product.created')).toBe(before)
  await use('let_go')
  await arrives('product.created', before + 1)
  const { controls } = (await (await fetch(url)).json()) as { controls: string[] }
  expect([...used].sort()).toEqual(controls.sort())
}

test('a host’s own script runs beside the services, with its variables, and Ctrl-C stops all of it', async () => {
  const started = await running()
  await started.says(/^app {6}listening$/m)
  const { env, child } = await answer()
  expect(env).toMatchObject({
    APP_URL: `http://localhost:${port}`,
    PORT: `${port}`,
    DATABASE_URL: expect.stringMatching(/^postgresql:\/\/tollgate@127\.0\.0\.1:\d+\/tollgate$/),
    STRIPE_API_BASE: `http://127.0.0.1:${sandboxPort}`,
    // An empty variable counts as missing.
    STRIPE_SECRET_KEY: 'sk_test_local',
    GITHUB_ENDPOINT: `http://127.0.0.1:${sandboxPort}/github`,
    OIDC_ISSUER: `http://127.0.0.1:${sandboxPort}/oidc`,
    // `.env.local` wins over `.env`, and the host's own keys stay.
    FROM_FILE: 'local',
    GOOGLE_CLIENT_ID: 'mine',
  })
  expect(env.GOOGLE_ENDPOINT).toBeUndefined()
  expect(started.printed()).toContain('With your own keys: Google')
  expect(started.printed()).toMatch(/Yours, and not changed: .*GOOGLE_CLIENT_SECRET/)
  expect(started.printed()).toContain('There is no tollgate.config.ts, so no worker runs')
  for (const secret of [env.BETTER_AUTH_SECRET, 'mine too', 'only-for-this-machine']) {
    expect(started.printed()).not.toContain(secret)
  }

  // Another terminal gets the variables of what runs, although its ports are in use.
  const printed = dev(['--into', host.folder, '--print-env'])
  expect(await printed.exited).toBe(0)
  for (const name of ['APP_URL', 'DATABASE_URL', 'STRIPE_API_BASE', 'BETTER_AUTH_SECRET'])
    expect(printed.printed().split('\n')).toContain(`${name}=${env[name]}`)

  // A webhook of the stand-in comes to the host's route.
  await fetch(`http://127.0.0.1:${sandboxPort}/v1/customers`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk_test_local' },
    body: new URLSearchParams({ name: 'Ada' }),
  })
  const hook = { url: '/api/webhooks/stripe', type: 'customer.created' }
  await expect.poll(async () => (await answer()).hooks).toContainEqual(hook)
  await useEveryControl()

  started.signal('SIGINT')
  started.signal('SIGINT')
  expect(await started.exited).toBe(0)
  expect(started.printed()).toMatch(/^app {6}bye$/m)
  await expect.poll(() => isAlive(child)).toBe(false)
  for (const gone of [port, sandboxPort, Number(new URL(env.DATABASE_URL as string).port)]) {
    await expect(fetch(`http://127.0.0.1:${gone}/`)).rejects.toThrow()
  }

  // The data stays: the same secret, and no migration is left.
  const again = await running()
  await again.says(/^app {6}listening$/m)
  expect((await answer()).env.BETTER_AUTH_SECRET).toBe(env.BETTER_AUTH_SECRET)
  expect(again.printed()).toContain(', 0 migrations applied')

  // A second host on the same server, whose command ends by itself: everything of that host stops.
  const database = (await answer()).env.DATABASE_URL as string
  const other = ['--into', host.folder, '--port', `${await freePort()}`]
  const command = ['--', process.execPath, '-e', 'console.log("last words"); process.exit(3)']
  const dying = await running([...other, '--sandbox-port', `${await freePort()}`, ...command], {
    DATABASE_URL: database,
  })
  expect(await dying.exited).toBe(3)
  expect(dying.printed()).toMatch(/^app {6}last words$/m)
  expect(dying.printed()).toContain('app has ended with code 3, so everything stops.')
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200)

  // A command that cannot be started says so.
  const absent = await running(
    [...other, '--sandbox-port', `${await freePort()}`, '--', 'no-such-program'],
    { DATABASE_URL: database },
  )
  expect(await absent.exited).toBe(1)
  expect(absent.printed()).toMatch(/^app {6}cannot be started: .*no-such-program/m)
})

test('a port that is in use is an error where it was named, before anything is started', async () => {
  const taken = await occupied()
  const free = `${await freePort()}`
  for (const [args, env, names] of [
    [['--sandbox-port', free], { PORT: `${taken.port}` }, 'PORT'],
    [
      ['--port', free],
      { STRIPE_API_BASE: `http://127.0.0.1:${taken.port}` },
      'a variable of yours',
    ],
  ] as [string[], Record<string, string>, string][]) {
    const started = dev(['--into', host.folder, ...args], env)
    expect(await started.exited).toBe(1)
    expect(started.printed()).toBe(
      `Port ${taken.port}, which ${names} names, is in use by another process. Stop that process, or name another port.\n`,
    )
  }
})

test('a default port that is in use gives way to the next free one', async () => {
  const taken = await occupied()
  expect(await usablePort(taken.port)).toBeGreaterThan(taken.port)
})

test.each([
  [{ NODE_ENV: 'production' }, 'NODE_ENV is production'],
  [{ PAYMENT_ENV: 'production' }, 'PAYMENT_ENV is production'],
  [{ STRIPE_SECRET_KEY: 'sk_live_1234567890' }, 'STRIPE_SECRET_KEY is a live key'],
  [{ STRIPE_PROD_API_KEY: 'rk_live_1234567890' }, 'STRIPE_PROD_API_KEY is a live key'],
] as [Record<string, string>, string][])('%o is refused: %s', (env, says) => {
  expect(() => requireDevelopment(env)).toThrow(says)
  expect(() => requireDevelopment(env)).not.toThrow('1234567890')
})

test.each([
  [['--prot', '1'], "Unknown option '--prot'"],
  [['--port', '0'], '--port must be a port'],
  [['--port', '3000x'], '--port must be a port'],
  [['--'], 'Name your command after --.'],
  [['--into', '/nowhere'], 'The folder /nowhere does not exist.'],
  [['--into', ''], '--into is empty'],
  [['server.js'], 'server.js'],
] as [string[], string][])('%o is refused: %s', (args, says) => {
  expect(() => parseLocal(args)).toThrow(says)
})

test('a database that does not answer, and that is not ours to start, is refused without its password', async () => {
  for (const [url, says] of [
    ['nonsense', 'DATABASE_URL is not a URL'],
    ['postgresql://me:secret@127.0.0.1:1/db', 'names 127.0.0.1:1, where no server answers'],
    ['postgresql://tollgate:secret@127.0.0.1:1/db', 'names 127.0.0.1:1, where no server answers'],
  ] as const) {
    const error = await openDatabase({ DATABASE_URL: url }, host.folder).catch((thrown) => thrown)
    expect(error.message).toContain(says)
    expect(error.message).not.toContain('secret')
  }
})

test('the database of another machine is used only where that is asked for, and is never migrated', async () => {
  const open = (options = {}) =>
    openDatabase({ DATABASE_URL: 'postgresql://me:secret@db.invalid/app' }, host.folder, options)
  const error = await open().catch((thrown) => thrown)
  expect(error).toMatchObject({ code: 'database_elsewhere', status: 400 })
  expect(error.message).toMatch(/db\.invalid, another machine.*--remote-database/)
  expect(error.message).not.toContain('secret')
  await expect(open({ isRemoteAllowed: true })).rejects.toMatchObject({
    code: 'database_unreachable',
  })
  expect(parseLocal(['--into', host.folder, '--remote-database'])).toMatchObject({
    isRemoteAllowed: true,
  })
})

test('a server on this machine that has no such database, or refuses the role, is named with what to do', async () => {
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  const at = `127.0.0.1:${server.port}`
  for (const [url, says] of [
    [`postgresql://tollgate@${at}/acme`, 'has no such database'],
    [`postgresql://nobody:secret@${at}/postgres`, 'does not let that role in'],
  ] as const) {
    const error = await migrateLocal(url).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'database_unreachable', status: 503 })
    expect(error.message).toContain(`${at}${new URL(url).pathname}, and the server there ${says}`)
    expect(error.message).not.toContain('secret')
  }
})

test('the command is the words, or the script "dev"', async () => {
  expect(hostCommand(host.folder, ['node', 'x.js'])).toEqual(['node', 'x.js'])
  expect(hostCommand(host.folder, [])).toBe('server')
  for (const [text, says] of [
    ['{}', 'has no script "dev"'],
    ['{ "scripts": { "dev": " " } }', 'has no script "dev"'],
    ['{ not json', 'is not JSON'],
  ] as const) {
    const bare = await makeHost({ 'package.json': text })
    onTestFinished(() => bare.remove())
    expect(() => hostCommand(bare.folder, [])).toThrow(says)
  }
})

test('the variables are printed as lines of .env.local, and nothing is started', async () => {
  const printed = dev([...flags(), '--print-env'])
  expect(await printed.exited).toBe(0)
  const lines = printed.printed().split('\n')
  expect(lines).toContain(`GITHUB_ENDPOINT=http://127.0.0.1:${sandboxPort}/github`)
  expect(printed.printed()).not.toContain('GOOGLE_')
})

test('a service whose key the host has is the real one; with an address of the host, its key is used', () => {
  const facts = {
    appUrl: 'http://localhost:3000',
    databaseUrl: 'postgresql://tollgate@127.0.0.1:5433/tollgate',
    sandboxUrl: 'http://127.0.0.1:4242',
    outboxDir: '/app/.tollgate/outbox',
    secret: 's',
  }
  const own = {
    STRIPE_SECRET_KEY: 'sk_test_own',
    RESEND_API_KEY: 're_own',
    MICROSOFT_CLIENT_ID: 'm',
  }
  const real = localEnvironment(own, facts)
  expect(real.real).toEqual(['Stripe', 'Microsoft', 'Resend'])
  for (const name of Object.keys(real.variables)) {
    expect(name).not.toMatch(/^(STRIPE|RESEND|MICROSOFT|CREEM|EMAIL)_/)
  }
  expect(real.all).toMatchObject(own)

  const local = { STRIPE_SECRET_KEY: 'sk_test_own', STRIPE_API_BASE: 'http://127.0.0.1:4242' }
  const standIn = localEnvironment(local, facts)
  expect(standIn.real).toEqual([])
  expect(standIn.all).toMatchObject({ ...local, STRIPE_WEBHOOK_SECRET: 'whsec_local' })

  const creem = localEnvironment({ PAYMENT_PROVIDER: 'creem' }, facts)
  expect(creem.all.CREEM_API_BASE).toBe('http://127.0.0.1:4242/creem')
  expect(localEnvironment({}, facts).all.CREEM_TEST_API_KEY).toBeUndefined()
})

test.skipIf(process.platform === 'win32')(
  'a killed tollgate dev takes the host’s processes with it, so that their port is free again',
  async () => {
    const started = await running()
    await started.says(/^app {6}listening$/m)
    const { child } = await answer()
    started.signal('SIGKILL')
    await started.exited
    await expect.poll(() => isAlive(child)).toBe(false)
    await expect
      .poll(() =>
        fetch(`http://127.0.0.1:${port}/`).then(
          () => 'answers',
          () => 'is free',
        ),
      )
      .toBe('is free')
    const again = await running()
    await again.says(/^app {6}listening$/m)
  },
)
