/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'
import { moment } from '../format.ts'
import { hello, words } from '../words.ts'

const TITLES = {
  new_sign_in: 'New sign-in to your account',
  passkey_added: 'A passkey was added to your account',
  passkey_removed: 'A passkey was removed from your account',
  provider_added: 'A way to sign in was added to your account',
  provider_removed: 'A way to sign in was removed from your account',
  password_set: 'A password was set for your account',
  password_changed: 'Your password was changed',
  password_reset: 'Your password was reset',
  two_factor_enabled: 'Two-factor authentication is on',
  two_factor_disabled: 'Two-factor authentication is off',
  backup_codes_replaced: 'Your backup codes were replaced',
  second_factor_shown: 'The secret of your second factor was shown',
  email_changed: 'Your account has this address now',
  program_allowed: 'A program was given access to your account',
  program_created: 'A program was registered with your account',
  program_changed: 'A program of your account was changed',
  program_secret_replaced: 'The secret of a program of your account was replaced',
}

/** Tells the user what happened to the account, and what to do if somebody else did it. */
export const SecurityAlertEmail = defineEmail({
  schema: z.object({
    /** The recipient's name. */
    name: words(),
    /** What happened. */
    alert: z.enum(Object.keys(TITLES) as (keyof typeof TITLES)[]),
    /** When it happened. */
    at: z.coerce.date(),
    /** The provider or program concerned. Absent if there is none. */
    about: words().optional(),
    /** For instance `Chrome 131 on macOS`. Absent if unknown. */
    device: words().optional(),
    /** For instance `203.0.113.0`. Absent if unknown. */
    network: z.union([z.ipv4(), z.ipv6()]).optional(),
    /** The page to end sessions and remove sign-in methods. */
    accountUrl: link(),
    /** The page to request a new password. */
    resetUrl: link(),
  }),
  subject: ({ alert }) => TITLES[alert],
  component: ({ name, alert, at, about, device, network, accountUrl, resetUrl }) => (
    <Layout
      title={TITLES[alert]}
      preview={moment(at)}
      footer="You get this because of a security event of your account."
    >
      <Paragraph>
        {hello(name)} this happened on {moment(at)}
        {device ? `, with ${device}` : ''}
        {network ? `, from the network ${network}` : ''}.{about ? ` It concerns ${about}.` : ''}
      </Paragraph>
      <Paragraph>
        If it was you, you need to do nothing. If not, end the sessions you do not know:
      </Paragraph>
      <Action href={accountUrl}>Look at my account</Action>
      <Paragraph>Then choose a new password, which ends every session: {resetUrl}</Paragraph>
    </Layout>
  ),
  preview: {
    name: 'Ada',
    alert: 'new_sign_in',
    at: '2026-03-01T14:05:00Z',
    device: 'Chrome 131 on macOS',
    network: '203.0.113.0',
    accountUrl: 'https://example.com/account',
    resetUrl: 'https://example.com/forgot-password',
  },
})
