/** Every template in the folder renders into a mail that is complete, safe and small. */

import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { renderEmail } from '../render.ts'
import {
  AccountDeletionEmail,
  AddressChangeEmail,
  builtInEmails,
  PaymentFailedEmail,
  SecurityAlertEmail,
  SubscriptionConfirmedEmail,
  TeamInviteEmail,
  WelcomeEmail,
} from '../templates/index.ts'

test('every file in the folder is a registered template', async () => {
  const files = await readdir(new URL('../templates', import.meta.url))
  const names = files.filter((file) => file.endsWith('.tsx')).map((file) => file.slice(0, -4))
  expect(names.sort()).toEqual(Object.keys(builtInEmails).sort())
})

test.each(Object.entries(builtInEmails))(
  '%s renders with its preview props',
  async (_, template) => {
    const { subject, html, text } = await renderEmail(
      template as typeof WelcomeEmail,
      template.preview as never,
    )

    expect(subject.length).toBeGreaterThan(5)
    expect(subject.length).toBeLessThanOrEqual(78)
    expect(html.startsWith('<!DOCTYPE')).toBe(true)
    expect(html.length).toBeLessThan(50_000)
    expect(html.match(/<title>/g)).toHaveLength(1)
    expect(html).toContain('lang="en"')
    expect(html).toContain('dir="ltr"')
    expect(html).toContain('name="color-scheme"')
    expect(html).toContain('data-skip-in-text')
    expect(`${html}${text}`).not.toMatch(/undefined|\[object Object\]|NaN|Invalid Date/)
    const links = [...html.matchAll(/href="(https?:[^"]+)"/g)].map(([, href]) => href as string)
    expect(links.length).toBeGreaterThan(0)
    for (const href of links) {
      const plain = href.replaceAll('&amp;', '&')
      expect(text.split(plain)).toHaveLength(2)
    }
    expect(text).not.toMatch(/<[a-z]|&(amp|lt|gt|quot);|[\u200b-\u200f]/)
  },
)

test('the same props render to the same bytes', async () => {
  const once = await renderEmail(WelcomeEmail, WelcomeEmail.preview)
  expect(await renderEmail(WelcomeEmail, WelcomeEmail.preview)).toEqual(once)
})

test('a name that resembles markup which the text version drops changes nothing else in the text', async () => {
  const name = '<div data-skip-in-text> <!-- <style> <a href="x">'
  const { text } = await renderEmail(WelcomeEmail, { ...WelcomeEmail.preview, name })
  const { text: plain } = await renderEmail(WelcomeEmail, { ...WelcomeEmail.preview, name: 'Ada' })
  expect(text).toBe(plain.replaceAll('Ada', name))
})

test('markup in a name is shown, not run', async () => {
  const name = '<script>alert("1")</script> & Co'
  const { html, text } = await renderEmail(TeamInviteEmail, {
    ...TeamInviteEmail.preview,
    organizationName: name,
  })
  expect(html).not.toContain('<script>')
  expect(html).toContain('&lt;script&gt;')
  expect(text).toContain('<script>alert("1")</script> & Co')
})

test('a line break in a name does not reach the subject', async () => {
  const { subject } = await renderEmail(TeamInviteEmail, {
    ...TeamInviteEmail.preview,
    inviterName: 'Ada\r\nBcc: eve@example.com',
    organizationName: 'x'.repeat(190),
  })
  expect(subject).not.toMatch(/[\r\n]/)
  expect(subject.length).toBeLessThanOrEqual(200)
})

test.each([
  [2900, 'usd', '$29.00'],
  [2900, 'JPY', '¥2,900'],
  [1234, 'kwd', 'KWD 1.234'],
])('%d minor units of %s are %s', async (amount, currency, shown) => {
  const { text } = await renderEmail(PaymentFailedEmail, {
    ...PaymentFailedEmail.preview,
    amount,
    currency,
  })
  expect(text.replaceAll('\u00a0', ' ')).toContain(shown)
})

test('a trial says when the first payment is due', async () => {
  const { text } = await renderEmail(SubscriptionConfirmedEmail, {
    ...SubscriptionConfirmedEmail.preview,
    trialEnd: '2026-01-15T00:00:00Z',
  })
  expect(text).toContain('January 15, 2026')
  expect(text).not.toContain('renews')
})

test('an alert says what happened, when, with which browser and where; unknown values are left out', async () => {
  const { alert } = SecurityAlertEmail.schema.shape
  const subjects = new Set<string>()
  for (const kind of alert.options) {
    const props = { ...SecurityAlertEmail.preview, alert: kind, about: 'GitHub' }
    const { subject, text } = await renderEmail(SecurityAlertEmail, props)
    subjects.add(subject)
    expect(text).toContain(
      'March 1, 2026 at 14:05 UTC, with Chrome 131 on macOS, from the network 203.0.113.0. It concerns GitHub.',
    )
  }
  expect(subjects.size).toBe(alert.options.length)
  const { device, network, ...known } = SecurityAlertEmail.preview
  const { text } = await renderEmail(SecurityAlertEmail, known)
  expect(text).toContain('March 1, 2026 at 14:05 UTC.')
  expect(text).not.toMatch(/with|from the network|concerns/)
})

test('each stage of a change of address and of a deletion has its own text', async () => {
  const { undoUrl, expiresInDays, ...told } = AddressChangeEmail.preview
  for (const stage of ['requested', 'done', 'undone'] as const) {
    const { text } = await renderEmail(AddressChangeEmail, { ...told, stage })
    expect(text).not.toMatch(/It was not me|undefined/)
  }
  const week = await renderEmail(AddressChangeEmail, AddressChangeEmail.preview)
  expect(week.text).toContain('for 7 days')
  const day = { ...AddressChangeEmail.preview, expiresInDays: 1 }
  expect((await renderEmail(AddressChangeEmail, day)).text).toContain('for 1 day.')

  const texts = new Set<string>()
  for (const stage of ['requested', 'blocked', 'canceled', 'done'] as const) {
    const { subject, text } = await renderEmail(AccountDeletionEmail, { name: 'Ada', stage })
    expect(text).not.toMatch(/undefined|Sign in\n/)
    texts.add(subject)
    texts.add(text)
  }
  expect(texts.size).toBe(8)
})
