/** What errors say to programs: codes by domain, and the values behind the message. */

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { TollgateError, toResponse } from '@repo/core'
import { expect, expectTypeOf, test } from 'vitest'
import { type BillingErrorCode, type CreditErrorCode, STATUS } from '../error-codes.ts'
import { BillingError, InsufficientCreditsError, isBillingError } from '../errors.ts'

test('ERRORS.md lists every code with its status and what it means', async () => {
  const path = fileURLToPath(new URL('../error-codes.ts', import.meta.url))
  const source = await readFile(path, 'utf8')
  const sections: string[] = []
  const listed: string[] = []
  for (const [, table = '', about] of source.matchAll(
    /^const [A-Z]+ = \{\n([\s\S]*?)\} as const\n\n\/\*\* The codes of errors about (.*?)\. \*\//gm,
  )) {
    const rows = [
      ...table.matchAll(/(?:\/\/ #region ([a-z-]+)\n {2})?\/\*\* (.*?) \*\/\n {2}(\w+): (\d+),/g),
    ]
    for (const [, , says, code = '', status] of rows) {
      expect(says).toMatch(/\.$/)
      expect(STATUS[code as BillingErrorCode]).toBe(Number(status))
      listed.push(code)
    }
    const lines = rows.map(
      ([, extra, says, code, status]) =>
        `| \`${code}\` | ${status} | ${says} |${extra ? ` <!-- #${extra} -->` : ''}`,
    )
    sections.push(
      `## Errors about ${about}\n\n| code | status | says |\n|---|---|---|\n${lines.join('\n')}\n`,
    )
  }
  expect(listed.sort()).toEqual(Object.keys(STATUS).sort())
  await expect(
    `# Error codes of billing

A function of billing throws a \`BillingError\` with \`code\`, \`status\`, a \`message\` for the developer, and \`data\` where the code has some (\`BillingErrorData\`). \`toResponse(error)\` of \`@repo/core\` turns it into \`application/problem+json\` with \`code\`, \`status\`, \`title\`, \`detail\` and \`data\`. Each section has a type of its own, and \`BillingErrorCode\` is the union of all. Other malformed arguments are \`invalid_argument\` (400) of \`@repo/core\`.

A code is stable and never shown to people: translate it.

This page is written by \`vitest -u\` and checked by \`errors.test.ts\`.

${sections.join('\n')}`,
  ).toMatchFileSnapshot('../../ERRORS.md')
})

test('data is typed by the code, and required if the code has data', () => {
  const error: unknown = new BillingError('quote_changed', 'It costs more.', {
    data: { amountQuoted: 500, amountDue: 700, currency: 'eur', at: 'now' },
  })
  if (!isBillingError(error, 'quote_changed')) throw error
  expectTypeOf(error.data.amountDue).toEqualTypeOf<number>()
  expect(error.data.amountDue).toBe(700)
  expect(isBillingError(error, 'quote_expired')).toBe(false)
  // @ts-expect-error Its data is missing.
  expect(new BillingError('refund_exceeds_payment', 'Too much.').data).toBe(undefined)
  const plain = new BillingError('plan_not_found', 'There is no such plan.')
  expectTypeOf(plain.data).toEqualTypeOf<undefined>()
  expectTypeOf<CreditErrorCode>().toExtend<BillingErrorCode>()
})

test('a caller gets the data over HTTP, and no data of other errors', async () => {
  const error = new InsufficientCreditsError('user_1', 5, 3)
  expect(await toResponse(error).json()).toEqual({
    type: 'about:blank',
    title: 'Payment Required',
    status: 402,
    code: 'insufficient_credits',
    detail: 'user_1 has 3 credits; 5 are needed.',
    data: { required: 5, available: 3 },
  })
  const without = (await toResponse(
    new TollgateError('too_fast', 429, 'Slow down.'),
  ).json()) as object
  expect(Object.keys(without)).toEqual(['type', 'title', 'status', 'code', 'detail'])
})
