/**
 * The one script of the demo's pages, in a real Chromium with an authenticator of its own: it shows the buttons for
 * passkeys, adds one on the account page and signs in with it.
 */

import type { Browser } from 'playwright-core'
import { expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { setUpDemo } from './setup.ts'

const browser: Browser | null = await launchChromium()
const setup = setUpDemo(browser)

test.skipIf(!browser)(
  'a passkey is added on the account page, signs in and is removed',
  async () => {
    const { url } = setup.demo
    const context = await (browser as Browser).newContext()
    const page = await context.newPage()
    const refused: string[] = []
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) refused.push(message.text())
    })
    const devtools = await context.newCDPSession(page)
    await devtools.send('WebAuthn.enable')
    await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
    const press = (name: string) => page.getByRole('button', { name, exact: true }).click()

    await page.goto(`${url}/sign-up`)
    await page.getByLabel('Name').fill('Ada')
    await page.getByLabel('E-mail').fill('ada@passkey.example')
    await page.getByLabel('Password').fill('correct horse battery')
    await press('Create account')
    await page.goto(
      await setup.linkIn('Please confirm your address', /http:\S+\/verify-email\?token=[\w-]+/),
    )
    await press('Confirm')
    await page.getByLabel('Password').fill('correct horse battery')
    await press('Sign in')
    await page.waitForURL(/\/dashboard/)

    await page.goto(`${url}/account`)
    await press('Add a passkey')
    await page.getByText('Your passkey is saved.').waitFor()
    expect(await page.getByTestId('passkey').count()).toBe(1)

    await press('Sign out')
    await page.goto(`${url}/sign-in?next=/credits`)
    await press('Sign in with a passkey')
    await page.waitForURL(`${url}/credits`)

    await page.goto(`${url}/account`)
    await page.getByTestId('passkey').getByRole('button', { name: 'Remove' }).click()
    await page.getByText('The passkey is removed.').waitFor()
    expect(await page.getByTestId('passkey').count()).toBe(0)

    await press('Sign out')
    await page.goto(`${url}/sign-in`)
    await press('Sign in with a passkey')
    await page.getByText('No passkey was used. Try again.').waitFor()
    expect(refused).toEqual([])
    await context.close()
  },
)
