/** @jsxRuntime automatic */
/** @jsxImportSource react */

import * as z from 'zod'
import { Action, Layout, Paragraph } from '../components/index.ts'
import { defineEmail, link } from '../define.ts'

/**
 * Sent to the address that an account wants to change to. The address is unproven, so the mail has no name in
 * it and no other text that somebody typed.
 */
export const NewAddressEmail = defineEmail({
  schema: z.object({
    /** A page with a button; opening the page changes nothing. */
    confirmUrl: link(),
    /** How long the link works. */
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
