/**
 * What a template is: a schema for its props, a subject, a component, and sample props.
 *
 * @module
 */

import type { ReactElement } from 'react'
import { z } from 'zod'

export interface EmailTemplate<Schema extends z.ZodType = z.ZodType> {
  schema: Schema
  /** Control characters in it are folded to spaces, so props cannot add headers. */
  subject(props: z.output<Schema>): string
  /** A component without hooks that suspend. */
  component(props: z.output<Schema>): ReactElement
  /** What a preview shows and the tests render. */
  preview: z.input<Schema>
}

/** Templates by name. */
// biome-ignore lint/suspicious/noExplicitAny: a template of any props; a narrower type would refuse every concrete one.
export type EmailTemplates = Record<string, EmailTemplate<any>>

/** The props `sendEmail` takes for template `Name`. */
export type EmailProps<Templates extends EmailTemplates, Name extends keyof Templates> = z.input<
  Templates[Name]['schema']
>

/** Checks a template's parts against each other. */
export function defineEmail<Schema extends z.ZodType>(
  template: EmailTemplate<Schema>,
): EmailTemplate<Schema> {
  return template
}

/** An address a button may lead to: http or https, never `javascript:`. */
export const link = () => z.url({ protocol: /^https?$/ })

/** The host's own name of a thing, such as a plan. What people typed is `words` of words.ts. */
export const label = () => z.string().trim().min(1).max(200)

/** An amount in minor units. */
export const amount = () => z.int().min(0)

/** A currency code, in either case. */
export const currency = () => z.string().regex(/^[a-z]{3}$/i, 'must be a three-letter code')
