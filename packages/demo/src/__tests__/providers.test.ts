/**
 * "Continue with Google" and the others in a real Chromium without script, with no account anywhere: the page to choose a
 * person, a cancel, an address that is only claimed, and a provider that is down. The stand-ins are another site.
 */

import type { Browser, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { createVisitor } from '../visitor.ts'
import { launchChromium } from './chromium.ts'
import { setUpDemo } from './setup.ts'

const browser: Browser | null = await launchChromium()
const setup = setUpDemo(browser)
const press = (page: Page, name: string) => page.getByRole('button', { name }).click()

async function openSignIn(path = '/sign-in'): Promise<Page> {
  const page = await setup.newPage()
  await page.goto(`${setup.demo.url}${path}`)
  return page
}

test.skipIf(!browser).each(['GitHub', 'Google', 'Microsoft'])(
  'a person chooses an account at %s and is signed in, the first time and again',
  async (name) => {
    const email = `person@${name.toLowerCase()}.example`
    const page = await openSignIn('/sign-up')
    await press(page, `Continue with ${name}`)
    expect(await page.title()).toBe(`Sign in with ${name}`)
    expect(new URL(page.url()).hostname).toBe('127.0.0.1')
    await page.getByLabel('Name').fill('Person')
    await page.getByLabel('E-mail').fill(email)
    await press(page, 'Continue')
    await page.waitForURL(`${setup.demo.url}/dashboard`)
    await page.goto(`${setup.demo.url}/account`)
    await page.getByText(email).first().waitFor()

    const again = await openSignIn('/sign-in?next=/credits')
    await press(again, `Continue with ${name}`)
    await press(again, email)
    await again.waitForURL(`${setup.demo.url}/credits`)
  },
)

test.skipIf(!browser)('a person who cancels is told so, and is not signed in', async () => {
  const page = await openSignIn()
  await press(page, 'Continue with Google')
  await press(page, 'Cancel')
  await page.getByText('You cancelled, so nobody was signed in.').waitFor()
  await page.goto(`${setup.demo.url}/dashboard`)
  await page.waitForURL(/\/sign-in/)
})

test.skipIf(!browser)(
  'Mallory, who only claims Ada’s address, does not get Ada’s account',
  async () => {
    const ada = await openSignIn()
    await press(ada, 'Continue with Microsoft')
    await press(ada, 'Ada Lovelace')
    await ada.waitForURL(`${setup.demo.url}/dashboard`)

    const mallory = await openSignIn()
    await press(mallory, 'Continue with Microsoft')
    await press(mallory, 'Mallory')
    await mallory.getByRole('alert').waitFor()
    await mallory.goto(`${setup.demo.url}/dashboard`)
    await mallory.waitForURL(/\/sign-in/)
  },
)

test.skipIf(!browser)('a provider that is down leads back to the sign-in page', async () => {
  const page = await openSignIn()
  await press(page, 'Continue with GitHub')
  await page.getByText('Choose an account').waitFor()
  // GitHub stops between the code and the token.
  const { origin } = new URL(page.url())
  const chosen = await page.request.post(page.url(), {
    form: { person: 'ada' },
    headers: { origin },
    maxRedirects: 0,
  })
  setup.demo.sandbox.oauth.setDown('github', true)
  await page.goto(chosen.headers().location as string)
  await page.getByText('The provider did not confirm the sign-in. Try again.').waitFor()
  setup.demo.sandbox.oauth.setDown('github', false)
})

test('without a browser: the whole way by forms', async () => {
  const visitor = createVisitor()
  await visitor.open(`${setup.demo.url}/sign-in`)
  await visitor.press('Continue with Google')
  expect(visitor.text).toContain('Choose an account')
  await visitor.press('Grace Hopper')
  expect(visitor.url).toBe(`${setup.demo.url}/dashboard`)
})
