/** @jsxRuntime automatic */
/** @jsxImportSource react */

import { z } from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'

/**
 * Sent to an address that an account is to have. Nobody has proven it, so the mail greets nobody and repeats
 * nothing that somebody chose.
 */
export const NewAddressEmail = defineEmail({
  schema: z.object({
    /** Leads to a page with a button; opening it changes nothing. */
    confirmUrl: link(),
    expiresInMinutes: z.int().min(1),
  }),
  subject: () => 'Confirm your new address',
  component: ({ confirmUrl, expiresInMinutes }) => (
    <Layout
      title="Confirm your new address"
      preview="One click, and your account has this address."
      footer="If you did not ask for this, do nothing: without the link no account gets this address."
    >
      <Paragraph>
        You asked for this address to be the address of your account. Confirm it in the browser in
        which you are signed in.
      </Paragraph>
      <Action href={confirmUrl}>Use this address</Action>
      <Paragraph>The link works once, for {expiresInMinutes} minutes.</Paragraph>
    </Layout>
  ),
  preview: { confirmUrl: 'https://example.com/change-email?token=sample', expiresInMinutes: 60 },
})
