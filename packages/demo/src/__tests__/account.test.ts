/**
 * An account in a real Chromium, without script: sessions looked at and ended, another address and the way back, a
 * copy of the data, a deletion that is cancelled.
 */

import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { setUpDemo } from './setup.ts'

const browser: Browser | null = await launchChromium()
const setup = setUpDemo(browser)

const PASSWORD = 'correct horse battery'
const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click()

async function signIn(page: Page, email: string, password = PASSWORD) {
  await page.goto(`${setup.demo.url}/sign-in?next=/account`)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await press(page, 'Sign in')
}

const linkIn = (subject: string, path: string) =>
  setup.linkIn(subject, new RegExp(`http:\\S+${path}\\?token=[\\w-]+`))

test.skipIf(!browser)(
  'sessions, address, data and deletion, each by a form and a mail',
  { timeout: 300_000 },
  async () => {
    const laptop = await setup.newPage()
    await laptop.goto(`${setup.demo.url}/sign-up`)
    await laptop.getByLabel('Name').fill('Ada')
    await laptop.getByLabel('E-mail').fill('ada@old.example')
    await laptop.getByLabel('Password').fill(PASSWORD)
    await press(laptop, 'Create account')
    await laptop.goto(await linkIn('Please confirm your address', '/verify-email'))
    await press(laptop, 'Confirm')
    await signIn(laptop, 'ada@old.example')

    const phone = await setup.newPage()
    await signIn(phone, 'ada@old.example')
    await laptop.reload()
    const sessions = laptop.getByTestId('session')
    expect(await sessions.count()).toBe(2)
    expect(await sessions.first().textContent()).toMatch(/Chrome \d+ on Linux/)
    await press(laptop, 'End')
    await laptop.getByText('The session has ended.').waitFor()
    await phone.reload()
    expect(new URL(phone.url()).pathname).toBe('/sign-in')

    // The address that is there already, then another one.
    const ask = async (address: string) => {
      await laptop.getByLabel('New address').fill(address)
      await laptop.getByLabel('Your password').first().fill(PASSWORD)
      await press(laptop, 'Change address')
    }
    await ask('ADA@old.example')
    expect(await laptop.getByRole('alert').textContent()).toContain('already has this address')
    await ask('ada@new.example')
    await laptop.getByText('We sent a link to the new address.').waitFor()
    await laptop.goto(await linkIn('Confirm your new address', '/change-email'))
    await press(laptop, 'Use this address')
    expect(await laptop.getByTestId('email').textContent()).toBe('ada@new.example')

    const waiting = laptop.waitForEvent('download')
    await laptop.getByRole('link', { name: 'Download' }).click()
    const document = JSON.parse(await readFile(await (await waiting).path(), 'utf8'))
    expect(document).toMatchObject({ user: { email: 'ada@new.example' }, billing: {} })

    // From the mailbox of the old address.
    await laptop.goto(await linkIn('Your account has another address', '/undo-email-change'))
    await press(laptop, 'Take the change back')
    await laptop.getByText('The change was undone.').waitFor()
    await laptop.goto(await linkIn('Reset your password', '/reset-password'))
    await laptop.getByLabel('New password').fill('a battery of horses')
    await press(laptop, 'Change password')
    await signIn(laptop, 'ada@old.example', 'a battery of horses')
    expect(await laptop.getByTestId('email').textContent()).toBe('ada@old.example')

    await press(laptop, 'Delete my account')
    await laptop.getByText('Your account will be deleted in 30 days.').waitFor()
    await signIn(laptop, 'ada@old.example', 'a battery of horses')
    await laptop.getByRole('heading', { name: 'This account will be deleted' }).waitFor()
    await laptop.goto(`${setup.demo.url}/dashboard`)
    expect(await laptop.getByRole('alert').textContent()).toContain('will be deleted')
    await laptop.getByRole('link', { name: 'Keep it' }).click()
    await press(laptop, 'Keep my account')
    await laptop.getByText('Your account stays.').waitFor()

    // Whoever alone owns an organization is told to hand it over.
    await laptop.goto(`${setup.demo.url}/team`)
    await laptop.getByLabel('Name').fill('Acme')
    await press(laptop, 'Create organization')
    await laptop.goto(`${setup.demo.url}/account`)
    await press(laptop, 'Delete my account')
    expect(await laptop.getByRole('alert').textContent()).toContain('Hand it over')

    await laptop.getByLabel('Current password').fill('a battery of horses')
    await laptop.getByLabel('New password').fill(PASSWORD)
    await press(laptop, 'Change password')
    await laptop.getByText('Your password is changed').waitFor()
    await setup.linkIn('Your password was changed', /http:\S+\/account/)
    expect(setup.logger.text).not.toMatch(/@(old|new)\.example/)
  },
)
