/**
 * Every page that a customer meets, in a real Chromium without script, at the widths of a desk and of a phone, light
 * and dark: no page scrolls sideways, no header wraps, and every text, field and focus ring has enough contrast.
 * `SCREENSHOTS=folder` keeps a picture of each.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, expect, test, vi } from 'vitest'
import { codeOf, secretIn } from '../../../auth/src/__tests__/authenticator.ts'
import { launchChromium } from './chromium.ts'
import { faultsOf } from './looks.ts'
import { setUpDemo } from './setup.ts'

const browser: Browser | null = await launchChromium()
// With the keys of a provider the demo shows its button.
vi.stubEnv('GITHUB_CLIENT_ID', 'github-client')
vi.stubEnv('GITHUB_CLIENT_SECRET', 'github-secret')
afterAll(() => vi.unstubAllEnvs())
const setup = setUpDemo(browser)
const folder = process.env.SCREENSHOTS
if (folder) mkdirSync(folder, { recursive: true })

const NAME = 'Ada Featherstonehaugh-Cholmondeley'
const EMAIL = 'ada.with.a.long.address.of.many.words@subdomain.example.com'
const PASSWORD = 'correct horse battery'

/** Looks at pages one after another, and keeps what is wrong with each. */
function looker() {
  const faults: Record<string, string[]> = {}
  let seen = 0
  return {
    faults,
    seen: () => seen,
    async look(page: Page, name: string) {
      seen += 1
      await page.waitForLoadState()
      await page.locator('main').waitFor()
      const label = `${String(seen).padStart(2, '0')}-${name}`
      const found = await faultsOf(page, async (view) => {
        if (folder)
          await page.screenshot({ path: join(folder, `${label}-${view}.png`), fullPage: true })
      })
      if (found.length > 0) faults[label] = found
    },
  }
}

const press = (page: Page, name: string) =>
  page.getByRole('button', { name, exact: true }).first().click()

async function pay(page: Page, number = '4242 4242 4242 4242') {
  await page.getByLabel('Card number').fill(number)
  await page.getByLabel('Expiry').fill('12 / 34')
  await page.getByLabel('CVC').fill('123')
  await press(page, 'Pay')
}

async function signIn(page: Page, email = EMAIL, password = PASSWORD) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await press(page, 'Sign in')
}

const linkIn = (subject: string, path: string) =>
  setup.linkIn(subject, new RegExp(`http:\\S+${path}\\?(?:token|id)=[\\w-]+`))

test.skipIf(!browser)(
  'no page scrolls sideways, wraps its header or lacks contrast, at 1280 and 375 pixels, light and dark',
  async () => {
    const { url, mailboxUrl, sandbox, settled } = setup.demo
    const page = await setup.newPage()
    const { look, faults, seen } = looker()
    const open = (path: string) => page.goto(path.startsWith('http') ? path : `${url}${path}`)

    await open('/')
    await look(page, 'landing')
    const sandboxUrl = new URL('/', mailboxUrl).href
    await open(sandboxUrl)
    await look(page, 'sandbox-empty')
    await open(mailboxUrl)
    await look(page, 'mailbox-empty')

    // Sign-up and sign-in.
    await open('/')
    await page.getByRole('link', { name: 'Sign up' }).first().click()
    await look(page, 'sign-up')
    await page.getByLabel('Name').fill(NAME)
    await page.getByLabel('E-mail').fill(EMAIL)
    await page.getByLabel('Password').fill(PASSWORD)
    await press(page, 'Create account')
    expect(await page.locator('strong').textContent()).toBe(EMAIL)
    expect(page.url()).not.toContain('@')
    await look(page, 'check-mail')
    const confirm = await linkIn('Please confirm your address', '/verify-email')
    await page.getByRole('link', { name: 'Open the mailbox' }).click()
    await look(page, 'mailbox')
    await page.getByRole('link', { name: 'Please confirm your address' }).click()
    await look(page, 'mail')
    const elsewhere = await setup.newPage()
    await elsewhere.goto(confirm)
    await look(elsewhere, 'verify-elsewhere')
    await open(confirm)
    await look(page, 'verify')
    await press(page, 'Confirm')
    await look(page, 'sign-in-verified')
    await open(confirm)
    expect(await page.getByRole('button').count()).toBe(0)
    await look(page, 'verify-used')
    await open('/sign-in')
    await signIn(page, EMAIL, 'not the password')
    expect(await page.getByLabel('E-mail').inputValue()).toBe(EMAIL)
    expect(page.url()).not.toContain('@')
    const described = await page.getByLabel('Password').getAttribute('aria-describedby')
    expect(await page.getByRole('alert').getAttribute('id')).toBe(described)
    await look(page, 'sign-in-wrong')
    const begun = await page.request.post(`${url}/sign-in/provider`, {
      form: { provider: 'github' },
      headers: { origin: url },
      maxRedirects: 0,
    })
    expect(begun.headers().location).toMatch(/^https:\/\/github\.com\/login\/oauth\/authorize/)
    await open('/sign-in/link')
    await look(page, 'sign-in-link')
    await open('/forgot-password')
    await look(page, 'forgot-password')
    await press(page, 'Send a link')
    await look(page, 'check-mail-reset')
    await open(await linkIn('Reset your password', '/reset-password'))
    await look(page, 'reset-password')
    // A link that opens nothing has no button that could only fail.
    for (const path of [
      '/magic-link',
      '/reset-password',
      '/change-email',
      '/undo-email-change',
      '/verify-email',
    ]) {
      await open(`${path}?token=bogus`)
      expect(await page.getByRole('alert').textContent()).toContain('This link is wrong')
      expect(await page.getByRole('button').count()).toBe(0)
      expect(await page.locator('main a.button').count()).toBe(1)
    }
    await look(page, 'link-used')
    await open('/accept-invitation?id=bogus')
    await look(page, 'invitation-signed-out')

    // The plan, without one.
    await open('/sign-in')
    await signIn(page)
    await look(page, 'dashboard-free')
    await open('/billing/change?plan=PRO')
    const refused = page.getByRole('alert')
    expect(await refused.textContent()).toBe(
      'You have no plan to change. Choose one on your dashboard.',
    )
    await look(page, 'refused')
    await open('/no-such-page')
    await look(page, 'not-found')
    expect(await page.locator('main').textContent()).not.toContain('Not Found')
    await open('/credits')
    await press(page, 'Draw a picture · 20 credits')
    await page.getByRole('alert').waitFor()
    await look(page, 'credits-none')

    // Buying.
    await open('/dashboard')
    await press(page, 'Upgrade to Pro')
    await page.getByLabel('Card number').waitFor()
    const checkout = page.url()
    await look(page, 'checkout')
    await pay(page, '4000 0000 0000 0002')
    await page.getByRole('alert').waitFor()
    await look(page, 'checkout-declined')
    await pay(page)
    await page.waitForURL(/done=subscribed/)
    await open(checkout)
    await look(page, 'checkout-paid')
    await open('/dashboard?done=subscribed')
    await settled()
    await look(page, 'dashboard-pro')
    await page.getByRole('link', { name: 'Change to Enterprise' }).click()
    await look(page, 'change-now')
    await press(page, 'Change and pay')
    await page.getByRole('link', { name: 'Change to Pro' }).click()
    await look(page, 'change-later')
    await press(page, 'Change then')
    await look(page, 'dashboard-scheduled')
    await press(page, 'Keep Enterprise')
    await page.getByTestId('invoice').first().getByRole('link').click()
    expect(await page.locator('main').textContent()).toMatch(/FromAcme.*Unused time on Pro.*Total/)
    await look(page, 'invoice')
    await page.getByRole('link', { name: 'Back to the app' }).click()
    await page.getByRole('button', { name: 'Sign out' }).waitFor()
    await look(page, 'landing-signed-in')
    await open('/dashboard')
    await press(page, 'Manage billing')
    await page.getByText(/^Renews on/).waitFor()
    await look(page, 'portal')
    await press(page, 'Cancel at period end')
    await page.getByText(/^Ends on/).waitFor()
    await look(page, 'portal-ending')
    await open('/dashboard')
    await page.getByText(/^Ends on/).waitFor()
    await look(page, 'dashboard-ending')

    // A call, and credits.
    await page.getByRole('button', { name: /Buy a call/ }).click()
    await pay(page)
    await page.waitForURL(/done=bought/)
    await look(page, 'dashboard-call-bought')
    await press(page, 'Book your call')
    await page.getByRole('radio').first().waitFor()
    await look(page, 'booking')
    await page.getByRole('radio').first().check()
    await press(page, 'Book')
    await page.getByText('This meeting is scheduled').waitFor()
    await look(page, 'booked')
    await page.getByRole('link', { name: 'Reschedule' }).click()
    await look(page, 'reschedule')
    await settled()
    await open('/credits')
    await page.getByRole('button', { name: /^100 credits/ }).click()
    await pay(page)
    await page.waitForURL(/\/credits/)
    await press(page, 'Draw a picture · 20 credits')
    await page.getByRole('checkbox').check()
    await press(page, 'Draw a picture · 20 credits')
    expect(await page.locator('main').textContent()).not.toMatch(/CREDITS_SMALL|purchase|settled/)
    await look(page, 'credits-failed')

    // A team.
    await open('/team')
    await look(page, 'team-none')
    await page.getByLabel('Name').fill('The Featherstonehaugh-Cholmondeley Company')
    await press(page, 'Create organization')
    await page.getByLabel('E-mail').fill('bob.of.many.words@subdomain.example.com')
    await press(page, 'Send invitation')
    await look(page, 'team-owner')
    const invitation = await linkIn('invites you to', '/accept-invitation')
    const bob = await setup.newPage()
    await bob.goto(`${url}/sign-up`)
    await bob.getByLabel('Name').fill('Bob')
    await bob.getByLabel('E-mail').fill('bob.of.many.words@subdomain.example.com')
    await bob.getByLabel('Password').fill(PASSWORD)
    await press(bob, 'Create account')
    await bob.goto(await linkIn('Please confirm your address', '/verify-email'))
    await press(bob, 'Confirm')
    await signIn(bob, 'bob.of.many.words@subdomain.example.com')
    await bob.goto(invitation)
    await look(bob, 'invitation')
    await press(bob, 'Accept')
    await bob.getByText('Leave', { exact: true }).click()
    await look(bob, 'team-leave')
    await bob.goto(invitation)
    await look(bob, 'invitation-used')
    await page.reload()
    await page.getByText('Remove', { exact: true }).click()
    await page.getByText('What may each role do?').click()
    await look(page, 'team-members')

    // The account, and the second factor.
    await bob.goto(`${url}/account`)
    await look(page, 'team-again')
    await open('/account')
    await look(page, 'account')
    await page.getByLabel('Your password, if you have one').fill(PASSWORD)
    await press(page, 'Turn on a second factor')
    await look(page, 'second-factor-secret')
    const link = await page.getByRole('link', { name: 'open the app' }).getAttribute('href')
    const secret = secretIn(link ?? '')
    await page.getByLabel('Code').fill('000000')
    await press(page, 'Turn it on')
    await look(page, 'second-factor-wrong')
    await page.getByLabel('Code').fill(await codeOf(secret, 0))
    await press(page, 'Turn it on')
    await page.getByText('Your second factor is on.').waitFor()
    await look(page, 'account-second-factor')
    await press(page, 'Sign out')
    // A mailed link alone opens nothing: the page asks for the code.
    await open('/sign-in/link')
    await page.getByLabel('E-mail').fill(EMAIL)
    await press(page, 'Send a link')
    await open(await linkIn('Your link to sign in', '/magic-link'))
    await look(page, 'magic-link')
    await press(page, 'Sign in')
    await page.waitForURL(`${url}/two-factor`)
    await open('/team')
    await page.waitForURL(`${url}/two-factor?next=/team`)
    await open('/sign-in?next=/credits')
    await signIn(page)
    await look(page, 'two-factor')
    await page.getByRole('link', { name: 'Use a backup code' }).click()
    await look(page, 'two-factor-backup')
    await page.goBack()
    await page.getByLabel('Code').fill(await codeOf(secret, 1))
    await press(page, 'Sign in')
    await page.waitForURL(/\/credits$/)
    await open('/account')
    await page.getByText('Turn it off', { exact: true }).click()
    await page.getByLabel('Your password, if you have one').fill(PASSWORD)
    await press(page, 'Turn the second factor off')
    await page.getByText('Your second factor is off.').waitFor()
    await page.getByRole('button', { name: 'Delete my account' }).click()
    await look(page, 'deletion')

    // The stand-ins, after all of it.
    await settled()
    await open(sandboxUrl)
    await look(page, 'sandbox')
    await open(mailboxUrl)
    await look(page, 'mailbox-full')
    await open(`${mailboxUrl}/no-such-mail`)
    await look(page, 'sandbox-not-found')
    await open(`${mailboxUrl}/${(await sandbox.mailbox.messages())[0]?.id}?view=text`)
    await look(page, 'mail-text')

    expect(faults).toEqual({})
    expect(seen()).toBeGreaterThan(50)
    for (const each of [page, bob, elsewhere]) await each.context().close()
  },
)
