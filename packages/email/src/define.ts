/**
 * Defines a template: a schema of its props, a subject, a component, and sample props.
 *
 * @module
 */

import type { ReactElement } from 'react'
import * as z from 'zod'

/** What a template learns of the recipient beside its props. */
export interface EmailContext {
  /** The recipient's language, a tag of BCP 47 such as `de-AT`. Null: unknown, so use your default. */
  locale: string | null
  /** Facts about the recipient, such as the host's own fields of the user. Empty: none are known. */
  recipient: Readonly<Record<string, unknown>>
}

/** A template: the schema of its props, a subject, a component, and sample props. */
export interface EmailTemplate<Schema extends z.ZodType = z.ZodType> {
  /** The props of the template, which are checked before anything is sent. */
  schema: Schema
  /** The subject. Control characters become spaces, so props cannot add headers. */
  subject(props: z.output<Schema>, context: EmailContext): string
  /** The mail's content. The component must not suspend. */
  component(props: z.output<Schema>, context: EmailContext): ReactElement
  /** Sample props for the preview and the tests. */
  preview: z.input<Schema>
}

/** Templates by name. */
// biome-ignore lint/suspicious/noExplicitAny: templates of any props; a narrower type would refuse them all.
export type EmailTemplates = Record<string, EmailTemplate<any>>

/** The props that `sendEmail` takes for the template `Name`. */
export type EmailProps<Templates extends EmailTemplates, Name extends keyof Templates> = z.input<
  Templates[Name]['schema']
>

/**
 * Returns `template` and lets TypeScript check its parts against each other.
 *
 * @example
 * ```tsx
 * import { defineEmail } from '@repo/email'
 * import { z } from 'zod'
 *
 * export const DigestEmail = defineEmail({
 *   schema: z.object({ items: z.int() }),
 *   subject: ({ items }) => `${items} new items`,
 *   component: ({ items }) => <p>{items} new items</p>,
 *   preview: { items: 3 },
 * })
 * ```
 */
export function defineEmail<Schema extends z.ZodType>(
  template: EmailTemplate<Schema>,
): EmailTemplate<Schema> {
  return template
}

/** A prop for a button's URL: http or https, never `javascript:`. */
export const link = () => z.url({ protocol: /^https?$/ })

/**
 * A prop for a name that the host chose, such as a plan's. For text that people typed use `words` of
 * words.ts.
 */
export const label = () => z.string().trim().min(1).max(200)

/** A prop for an amount in minor units. */
export const amount = () => z.int().min(0)

/** A prop for a currency code, in either case. */
export const currency = () => z.string().regex(/^[a-z]{3}$/i, 'must be a three-letter code')
