/**
 * The main job in a real Chromium: a person signs up, confirms, pays, books, cancels, and resets a
 * forgotten password. Host and stand-ins are different sites, so cookies are as strict as in life.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { type Demo, startDemo } from '../demo.ts'
import { smoke } from '../smoke.ts'
import { createVisitor } from '../visitor.ts'
import { launchChromium } from './chromium.ts'

const browser: Browser | null = await launchChromium()
if (!browser) {
  process.stderr.write(
    '\nSKIPPED: no Chromium on this machine; set CHROMIUM_PATH to run the browser test.\n',
  )
}

const logger = createTestLogger()
let database: TestDatabase
let folder: string
let demo: Demo
beforeAll(async () => {
  database = await createTestDatabase(inject('postgres'))
  folder = await mkdtemp(join(tmpdir(), 'tollgate-demo-'))
  demo = await startDemo({
    folder,
    databaseUrl: database.url,
    hostPort: 0,
    sandboxPort: 0,
    logger,
  })
})
afterAll(async () => {
  await browser?.close()
  await demo?.stop()
  await database?.drop()
  await rm(folder, { recursive: true, force: true })
})

const PASSWORD = 'correct horse battery'

async function fillCard(page: Page, number = '4242 4242 4242 4242') {
  await page.getByLabel('Card number').fill(number)
  await page.getByLabel('Expiry').fill('12 / 34')
  await page.getByLabel('CVC').fill('123')
  await page.getByRole('button', { name: /^Pay/ }).click()
}

async function openMail(page: Page, subject: string) {
  await demo.settled()
  await page.goto(demo.mailboxUrl)
  await page.getByRole('link', { name: subject }).first().click()
}

/** Follows the link in the mail; it opens in a tab of its own. */
async function followMail(page: Page, link: string): Promise<Page> {
  const [tab] = await Promise.all([
    page.context().waitForEvent('page'),
    page.frameLocator('iframe').getByRole('link', { name: link }).click(),
  ])
  await page.close()
  return tab
}

test('a visitor signs up and in by a mailed link alone', async () => {
  const visitor = createVisitor()
  await visitor.open(`${demo.url}/sign-in`)
  await visitor.follow('Sign in without a password')
  await visitor.press('Send a link', { email: 'linked@example.com' })
  expect(visitor.text).toContain('Check your mail')
  await demo.settled()
  await visitor.open(demo.mailboxUrl)
  await visitor.follow('Your link to sign in')
  visitor.enterFrame()
  await visitor.follow('Sign in')
  expect(visitor.text).toContain('One click, and you are in.')
  await visitor.press('Sign in')
  expect(visitor.text).toContain('Hello, linked')
})

const plan = (page: Page) => page.getByTestId('plan').textContent()

test.skipIf(!browser)('a customer lives through the main job', async () => {
  const context = await (browser as Browser).newContext()
  let page = await context.newPage()
  const foreign: string[] = []
  context.on('request', (request) => {
    if (!/^(http:\/\/(localhost|127\.0\.0\.1)[:/]|data:|about:)/.test(request.url())) {
      foreign.push(request.url())
    }
  })

  await page.goto(`${demo.url}/sign-up`)
  await page.getByLabel('Name').fill('Ada')
  await page.getByLabel('E-mail').fill('ada@example.com')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()

  await openMail(page, 'Please confirm your address')
  page = await followMail(page, 'Confirm my address')
  await page.waitForURL(/\/verify-email/)
  const confirmPage = page.url()
  await page.getByRole('button', { name: 'Confirm' }).click()
  await page.waitForURL(/\/sign-in\?done=verified/)

  await page.getByLabel('E-mail').fill('ada@example.com')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.waitForURL(/\/dashboard/)
  expect(await plan(page)).toBe('Free')
  const cookies = await context.cookies(demo.url)
  expect(cookies.map(({ name }) => name).sort()).toEqual([
    'tollgate.access_token',
    'tollgate.session_token',
  ])
  for (const cookie of cookies) {
    expect(cookie).toMatchObject({ httpOnly: true, secure: false, sameSite: 'Strict', path: '/' })
  }

  // Promise 4: the redirect comes first; the webhook is held back.
  demo.sandbox.stripe.pause()
  await page.getByRole('button', { name: 'Upgrade to Pro' }).click()
  await page.waitForURL(/127\.0\.0\.1/)
  await fillCard(page, '4000 0000 0000 0002')
  await page
    .getByText(/declined/i)
    .first()
    .waitFor()
  await fillCard(page)
  await page.waitForURL(/\/dashboard\?done=subscribed/)
  expect(await plan(page)).toBe('Pro')
  demo.sandbox.stripe.resume()
  await openMail(page, 'Your Pro plan is active')
  expect(await page.locator('iframe').count()).toBe(1)
  await page.goto(demo.mailboxUrl)
  expect(await page.getByRole('link', { name: 'Your Pro plan is active' }).count()).toBe(1)

  await page.goto(`${demo.url}/dashboard`)
  await page.getByRole('button', { name: /Buy a call/ }).click()
  await fillCard(page)
  await page.getByRole('button', { name: 'Book your call' }).click()
  await page.waitForURL(/127\.0\.0\.1.*\/cal\//)
  expect(await page.getByLabel('Name').inputValue()).toBe('Ada')
  await page.getByRole('radio').first().check()
  await page.getByRole('button', { name: 'Book', exact: true }).click()
  await demo.settled()
  await page.getByRole('link', { name: /Return to/ }).click()
  await page.waitForURL(/\/dashboard\?done=booked/)
  await expect.poll(() => page.getByTestId('booking').textContent()).toContain('Confirmed')
  expect(await page.getByRole('button', { name: 'Book your call' }).count()).toBe(0)

  await page.getByRole('link', { name: 'Change to Enterprise' }).click()
  expect(await page.getByTestId('due').textContent()).toBe('$170.00')
  await page.getByRole('button', { name: 'Change and pay' }).click()
  await page.waitForURL(/\/dashboard\?done=changed/)
  expect(await plan(page)).toBe('Enterprise')
  const invoice = page.getByTestId('invoice').first()
  expect(await invoice.getByRole('cell').allTextContents()).toEqual([
    expect.stringMatching(/-0002$/),
    'Paid',
    '$170.00',
  ])
  await page.getByRole('link', { name: 'Change to Pro' }).click()
  await page.getByRole('button', { name: 'Change then' }).click()
  expect(await page.getByTestId('change').textContent()).toMatch(/^Becomes Pro on/)
  await page.getByRole('button', { name: 'Keep Enterprise' }).click()
  expect(await page.getByTestId('change').count()).toBe(0)

  await page.getByRole('button', { name: 'Manage billing' }).click()
  await page.getByRole('button', { name: 'Cancel at period end' }).first().click()
  // The access token ends while the person is away; hop and renewal bring them back unnoticed.
  const tokens = async () =>
    (await context.cookies(demo.url)).map(({ name, value }) => `${name}=${value}`).sort()
  const before = await tokens()
  await context.clearCookies({ name: 'tollgate.access_token' })
  await page.getByRole('link', { name: /Return to/ }).click()
  await page.waitForURL(/\/dashboard/)
  const after = await tokens()
  expect(after).toHaveLength(2)
  expect(after.filter((cookie) => before.includes(cookie))).toEqual([])
  expect(await page.getByTestId('ends').textContent()).toMatch(/^Ends on/)
  expect(await plan(page)).toBe('Enterprise')

  let elsewhere = await (await (browser as Browser).newContext()).newPage()
  await elsewhere.goto(`${demo.url}/sign-in`)
  await elsewhere.getByRole('link', { name: 'Forgot your password?' }).click()
  await elsewhere.getByLabel('E-mail').fill('ada@example.com')
  await elsewhere.getByRole('button', { name: 'Send a link' }).click()
  await openMail(elsewhere, 'Reset your password')
  elsewhere = await followMail(elsewhere, 'Choose a new password')
  await elsewhere.getByLabel('New password').fill('another long password')
  await elsewhere.getByRole('button', { name: 'Change password' }).click()
  await elsewhere.waitForURL(/\/sign-in\?done=reset/)

  await page.goto(`${demo.url}/dashboard`)
  expect(page.url()).toBe(`${demo.url}/sign-in`)
  await page.goto(confirmPage)
  // A used link has no button that could only fail.
  await page.getByText('This link is wrong, has been used or has expired.').waitFor()
  expect(await page.getByRole('button').count()).toBe(0)
  await page.getByRole('link', { name: 'Send another link' }).waitFor()

  expect(foreign).toEqual([])
  expect(logger.text).not.toContain('ada@example.com')
  expect(logger.text).not.toMatch(/[?&]token=ey/)
})

test('a confirmation on another device asks for the password, or lets the person choose one', async () => {
  for (const [email, typed] of [
    ['phone-1@example.com', PASSWORD],
    ['phone-2@example.com', ''],
  ] as const) {
    const laptop = createVisitor()
    await laptop.open(`${demo.url}/sign-up`)
    await laptop.press('Create account', { name: 'Ada', email, password: PASSWORD })
    await demo.settled()
    const phone = createVisitor()
    await phone.open(demo.mailboxUrl)
    await phone.follow('Please confirm your address')
    phone.enterFrame()
    await phone.follow('Confirm my address')
    expect(phone.text).toContain('You signed up in another browser.')
    await phone.press('Confirm', { password: 'not the password' })
    expect(phone.text).toContain('The password is wrong')
    await phone.press('Confirm', { password: typed })
    if (typed === '') {
      expect(phone.url).toContain('/reset-password?token=')
      await phone.press('Change password', { newPassword: 'chosen on the phone' })
    }
    expect(phone.url).toContain('/sign-in')
    await phone.press('Sign in', { email, password: typed || 'chosen on the phone' })
    expect(phone.text).toContain('Your plan Free')
  }
})

test('the same job without a browser, as `demo --smoke` walks it', async () => {
  const steps: string[] = []
  await smoke(demo, (step) => steps.push(step))
  expect(steps).toHaveLength(9)
})
