/** Words of strangers in every template: nothing that leads away, hides, turns the text around or breaks the page. */

import { describe, expect, test } from 'vitest'
import { type EmailTemplate, renderEmail, strangersWords } from '../index.ts'
import { builtInEmails } from '../templates/index.ts'

/** Props that the host writes and nobody else. A new prop is a stranger's until it stands here. */
const HOSTS_OWN = ['planName', 'role', 'currency', 'interval', 'alert', 'stage', 'network']
const isAddressOrDate = (value: string) => /^https?:|^\d{4}-/.test(value)

/** Each template with each of its props that hold words of strangers. */
const cases = Object.entries(builtInEmails).flatMap(([name, template]) => {
  const shape = (template.schema as { shape?: object }).shape ?? {}
  const preview = template.preview as Record<string, unknown>
  return Object.keys(shape)
    .filter((prop) => !HOSTS_OWN.includes(prop))
    .filter((prop) => {
      const value = preview[prop] ?? (prop === 'name' ? 'Ada' : null)
      return typeof value === 'string' && !isAddressOrDate(value)
    })
    .map((prop) => [name, prop] as const)
})

async function rendered(name: string, prop: string, text: string) {
  const template = builtInEmails[name as keyof typeof builtInEmails] as unknown as EmailTemplate
  return renderEmail(template, { ...(template.preview as object), [prop]: text })
}

/** The words of the HTML without the line that inboxes show, which is filled up with what cannot be seen. */
const shownIn = (html: string) =>
  html
    .slice(html.indexOf('<body'))
    .replace(/<div[^>]*data-skip-in-text[^>]*>[\s\S]*?<\/div>\s*(<\/div>)?/, '')
    .replace(/<wbr\s*\/?>/g, '')
    .replace(/<[^>]+>/g, ' ')

const LURES = [
  'You won 1.000 EUR, collect at https://evil.example/prize now',
  'Win at evil.example',
  'evil.example',
  'EVIL.EXAMPLE/prize',
  'evil。example',
  'evil．example',
  'evil\u200b.\u200bexample',
  'ev\u00adil.exam\u2060ple',
  'evil\u202e.example',
  'h\u200dttps:/\u200b/evil.example',
  'hxxps://evil.example',
  'ftp://evil.example',
  'mailto:eve@evil.example',
  'eve@evil.example',
  'javascript:alert(1)',
  'www.evil.example',
  'ｗｗｗ．ｅｖｉｌ．ｅｘａｍｐｌｅ',
  'Call +49 800 1234567 now',
  'Call (800) 555-0199-22',
  'http://192.0.2.1/x',
  'bit.ly/abc',
]

/** What nobody sees, halves of letters, and letters of nobody's script. */
const HIDDEN = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cs}\p{Co}]/u

describe.each(cases)('%s, %s', (template, prop) => {
  test.each(LURES)('%j does not become a link', async (text) => {
    const before = await rendered(template, prop, 'Ada')
    const { subject, html, text: plain } = await rendered(template, prop, text)
    for (const part of [subject, html, plain]) {
      const folded = part.normalize('NFKC').toLowerCase()
      expect(folded).not.toMatch(/evil\p{Default_Ignorable_Code_Point}*[.。]/u)
      expect(folded).not.toMatch(/bit\.ly|192\.0\.2|javascript:|0199|1234567/)
    }
    const addresses = (mail: string) => mail.match(/https?:\/\/[^\s"<]+/g)
    expect(addresses(plain)).toEqual(addresses(before.text))
  })

  test.each([
    ['direction marks', 'A\u202ebdA\u202c\u200f\u2066da\u2069'],
    ['zero widths', 'A\u200bd\u200c\u200d\ufeff\u2060a'],
    ['tags and fillers', 'A\u{e0041}\u{e007f}\u115f\u3164da'],
    ['control characters', 'A\u0007\u001b[31m\u009bda'],
    ['line breaks', 'Ada\r\nBcc: eve@here\u2028\u2029\u0085'],
    ['halves of letters', 'A\ud83d\udc00\ud83dda\udc00'],
    ['private letters', 'A\ue000\u{f0000}\ufffeda'],
  ])('%s are removed', async (_, text) => {
    const { subject, html, text: plain } = await rendered(template, prop, text)
    for (const part of [subject, plain, shownIn(html)]) {
      expect(part).not.toMatch(HIDDEN)
      expect(part.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    }
  })

  test.each([
    ['letters', 'x'.repeat(200)],
    ['surrogate pairs', '🙂'.repeat(200)],
    ['letters with marks', 'e\u0301'.repeat(200)],
    ['a tower of marks', `e${'\u0301'.repeat(900)}`],
    ['a letter of a thousand parts', '\u1100'.repeat(1_000)],
    ['64 KiB', 'word '.repeat(13_000)],
  ])('a name with many %s is cut, and the mail is sent', async (_, text) => {
    const short = await rendered(template, prop, 'A')
    const long = await rendered(template, prop, text)
    const letters = (mail: string) => [...new Intl.Segmenter().segment(mail)].length
    expect(letters(long.subject)).toBeLessThanOrEqual(letters(short.subject) + 62)
    expect(long.text.length).toBeLessThan(short.text.length + 1_000)
    expect(long.html).toContain('word-break:break-word')
    expect(`${long.subject}${long.html}`).not.toMatch(/\p{Cs}/u)
  })

  test.each(['', ' ', '\u200b\u200d', '\ud800', '\u0000'])(
    'a name of %j is left out',
    async (text) => {
      const { subject, html, text: plain } = await rendered(template, prop, text)
      expect(`${subject}${html}${plain}`).not.toMatch(/null|undefined/)
      expect(plain).not.toMatch(/ ,|Hello ,|, \./)
    },
  )
})

test('every template was tried', () => {
  const names = new Set(cases.map(([name]) => name))
  const withoutNames = Object.keys(builtInEmails).filter((name) => !names.has(name as never))
  expect(withoutNames).toEqual(['MagicLinkEmail', 'NewAddressEmail'])
})

test.each([
  ['Ada Lovelace', 'Ada Lovelace'],
  ["O'Brien & Söhne GmbH", "O'Brien & Söhne GmbH"],
  ['李小龍', '李小龍'],
  ['محمد علي', 'محمد علي'],
  ['J. R. Müller', 'J. R. Müller'],
  ['J.R.R. Tolkien', 'J R R. Tolkien'],
  ['monday.com', 'monday com'],
  ['Studio 54 (est. 1977)', 'Studio 54 (est. 1977)'],
  ['Abitur 2024/2025', 'Abitur 2024/2025'],
  ['Fête 🎉', 'Fête 🎉'],
  ['  two   blanks ', 'two blanks'],
  ['v1.2.3', 'v1.2.3'],
  ['50% off!', '50% off!'],
])('%j is shown as %j', (typed, shown) => {
  expect(strangersWords(typed)).toBe(shown)
})

test('sixty letters are kept, and the sixty-first is cut', () => {
  expect(strangersWords('ü'.repeat(60))).toBe('ü'.repeat(60))
  expect(strangersWords('ü'.repeat(61))).toBe(`${'ü'.repeat(59)}…`)
  expect(strangersWords('👍🏽'.repeat(60))).toBe('👍🏽'.repeat(60))
})

test('a long word can break in HTML, and is unchanged in the text version', async () => {
  const name = 'Donaudampfschifffahrtsgesellschaftskapitän'
  const { html, text } = await rendered('TeamInviteEmail', 'organizationName', name)
  expect(html).toContain('Donaudampfschifffahr<wbr/>tsgesellschaftskapit<wbr/>än')
  expect(text).toContain(name)
})

test('64 KiB of any text are read in linear time', () => {
  const started = performance.now()
  for (const part of [
    'a',
    '.',
    '@',
    '1',
    '+1 ',
    'a.',
    'e\u0301',
    'http:',
    '🙂',
    '\ud800',
    '\u1100',
    '/',
  ]) {
    strangersWords(part.repeat(Math.ceil((64 * 1024) / part.length)))
  }
  expect(performance.now() - started).toBeLessThan(500)
})
