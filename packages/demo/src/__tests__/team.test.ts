/**
 * A team in a real Chromium: one founds it and invites, another joins by the mail, gets another role,
 * is handed the organization, and the first one leaves. No script anywhere.
 */

import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { setUpDemo } from './setup.ts'

const browser: Browser | null = await launchChromium()
const setup = setUpDemo(browser)
const { linkIn } = setup

/** A newcomer in a browser of their own, without script, signed in on the dashboard. */
async function newcomer(name: string, email: string): Promise<Page> {
  const page = await setup.newPage()
  await page.goto(`${setup.demo.url}/sign-up`)
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByRole('heading', { name: 'Check your mail' }).waitFor()
  await page.goto(
    await linkIn('Please confirm your address', /http:\S+\/verify-email\?token=[\w-]+/),
  )
  await page.getByRole('button', { name: 'Confirm' }).click()
  await signIn(page, email)
  return page
}

async function signIn(page: Page, email: string) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill('correct horse battery')
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const role = (page: Page) => page.getByTestId('role').textContent()

test.skipIf(!browser)('a team is founded, joined, handed over and left', async () => {
  const ada = await newcomer('Ada', 'ada@team.example')
  await ada.getByRole('link', { name: 'Team' }).click()
  await ada.getByLabel('Name').fill('Acme')
  await ada.getByRole('button', { name: 'Create organization' }).click()
  expect(await role(ada)).toBe('Owner')

  await ada.getByLabel('E-mail').fill('bob@team.example')
  await ada.getByLabel('Role', { exact: true }).selectOption('MANAGER')
  await ada.getByRole('button', { name: 'Send invitation' }).click()
  await ada.getByText('The invitation is on its way.').waitFor()
  expect(await ada.getByTestId('invited').textContent()).toContain('bob@team.example')
  // The only owner reads why, and has no button that could only fail.
  await ada.getByText('You are the only owner, so you cannot leave.').waitFor()
  expect(await ada.getByRole('button', { name: 'Leave' }).count()).toBe(0)

  const link = await linkIn('Ada invites you to Acme', /http:\S+\/accept-invitation\?id=\w+/)
  const bob = await newcomer('Bob', 'bob@team.example')
  await bob.getByRole('button', { name: 'Sign out' }).click()
  await bob.goto(link)
  await bob.getByRole('link', { name: 'Sign in' }).click()
  await signIn(bob, 'bob@team.example')
  await bob.getByText('ada@team.example invites you').waitFor()
  await bob.getByRole('button', { name: 'Accept' }).click()
  await bob.getByText('Welcome to the team.').waitFor()
  expect(await role(bob)).toBe('Manager')
  expect(await bob.getByTestId('member').count()).toBe(2)
  expect(await bob.getByRole('button', { name: 'Send invitation' }).count()).toBe(0)
  await bob.goto(link)
  await bob.getByText('has been used or has expired').waitFor()

  await ada.goto(`${setup.demo.url}/team`)
  await ada.getByLabel('Role of Bob').selectOption('ADMIN')
  await ada.getByRole('button', { name: 'Change', exact: true }).click()
  await ada.getByText('The role is changed.').waitFor()
  await bob.goto(`${setup.demo.url}/team`)
  expect(await role(bob)).toBe('Admin')
  expect(await bob.getByLabel('Role', { exact: true }).textContent()).not.toContain('Owner')

  await ada.getByText('Hand over', { exact: true }).click()
  await ada.getByRole('button', { name: 'Hand over to Bob' }).click()
  expect(await role(ada)).toBe('Admin')
  await bob.reload()
  expect(await role(bob)).toBe('Owner')
  await ada.getByText('Leave', { exact: true }).click()
  await ada.getByText('To come back you need an invitation.').waitFor()
  await ada.getByRole('button', { name: 'Leave Acme' }).click()
  await ada.getByText('You have left the organization.').waitFor()
  expect(await ada.getByTestId('role').count()).toBe(0)
  await bob.reload()
  expect(await bob.getByTestId('member').count()).toBe(1)
  expect(setup.logger.text).not.toContain('@team.example')
})
