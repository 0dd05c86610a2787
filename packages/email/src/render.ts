/**
 * Renders a template and its props to a subject, HTML and text. A mail is rendered once: every attempt must
 * send the same bytes, or the provider takes a retry for a different mail.
 *
 * @module
 */

import { createElement } from 'react'
import type { z } from 'zod'
import { loadComponents } from './components/index.ts'
import type { EmailContext, EmailTemplate } from './define.ts'
import { EmailError } from './errors.ts'

/** A mail's subject, HTML and text. */
export interface RenderedEmail {
  subject: string
  html: string
  text: string
}

const DOCTYPE =
  '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">'

/** The most characters of a subject; inboxes cut off longer ones. */
const MAX_SUBJECT = 200

/** The context of a mail whose recipient is unknown. */
const UNKNOWN: EmailContext = { locale: null, recipient: {} }

/**
 * Renders a template to subject, HTML and plain text, without sending anything.
 *
 * @throws `invalid_props` (422), which names each invalid property and no values
 */
export async function renderEmail<Schema extends z.ZodType>(
  template: EmailTemplate<Schema>,
  props: z.input<Schema>,
  context: EmailContext = UNKNOWN,
): Promise<RenderedEmail> {
  const parsed = template.schema.safeParse(props)
  if (!parsed.success) {
    const names = parsed.error.issues.map((issue) => issue.path.join('.') || '(props)')
    throw new EmailError(
      'invalid_props',
      `These props are invalid: ${[...new Set(names)].join(', ')}.`,
    )
  }
  // Imported when needed, because Next.js's bundler refuses a static import of it in any module a route uses.
  const [{ renderToStaticMarkup }] = await Promise.all([
    import('react-dom/server'),
    loadComponents(),
  ])
  const markup = renderToStaticMarkup(createElement(() => template.component(parsed.data, context)))
  // React adds a preload hint for each image, which mail clients show as an attachment.
  const html = DOCTYPE + markup.replace(/<link rel="preload" as="image"[^<>]*>/g, '')
  return { subject: oneLine(template.subject(parsed.data, context)), html, text: toText(html) }
}

/** Removes control characters: a name with a line break must not become a header. */
function oneLine(subject: string): string {
  const folded = subject.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').replace(/ {2,}/g, ' ')
  return folded.trim().slice(0, MAX_SUBJECT)
}

const ENTITIES: Record<string, string> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#x27;': "'",
  '&#39;': "'",
  '&nbsp;': ' ',
}

// Each match ends at the next `<` or `>`, so that no text makes the pattern read to the end again and again.
const TAG = /<[^<>]+>/g
const LINK = /<a\b(?=[^<>]*?href="([^"<>]*)")[^<>]*>((?:(?!<a\b)[\s\S])*?)<\/a>/gi
const HIDDEN =
  /<div\b(?=[^<>]*data-skip-in-text)[^<>]*>(?:(?!<div\b[^<>]*data-skip-in-text)[\s\S])*?<\/div>\s*(<\/div>)?/gi

/** Converts our own markup to plain text: a paragraph for each block, and a link as its text and its URL. */
function toText(html: string): string {
  const body = html
    .replace(/^[\s\S]*?<body/i, '<body')
    .replace(/<!--(?:(?!<!--)[\s\S])*?-->/g, '')
    .replace(HIDDEN, '')
    .replace(/<(style|script|head)\b(?:(?!<\1)[\s\S])*?<\/\1>/gi, '')
    .replace(LINK, (_, href: string, inner: string) => {
      const words = inner.replace(TAG, '').trim()
      return words === '' || words === href ? href : `${words}: ${href}`
    })
    .replace(/<(br|hr)\b[^<>]*>/gi, '\n')
    .replace(/<\/(p|div|h[1-6]|tr|table|li)>/gi, '\n\n')
    .replace(TAG, '')
    .replace(/&(amp|lt|gt|quot|#x27|#39|nbsp);/g, (entity) => ENTITIES[entity] ?? entity)
  const lines = body.split('\n').map((line) => line.replace(/[ \t\u00a0]+/g, ' ').trim())
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()}\n`
}
