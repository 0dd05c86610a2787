/** The drill's check of mails, and the time in which a subscription without a plan gets none. */

import { expect, test } from 'vitest'
import { checkMails } from '../drill/mails.ts'
import { unsoldSpans } from '../drill/unsold.ts'

const at = (seconds: number) => new Date(1_900_000_000_000 + seconds * 1000)
const seen = (seconds: number, isUnsold: boolean) => ({ at: at(seconds), isUnsold })

const failed = (seconds: number) => ({
  key: `invoice:in_${seconds}:attempt:1:failed`,
  name: 'invoice.payment_failed',
  payload: { stripeSubscriptionId: 'sub_1' },
  createdAt: at(seconds),
})

test('a subscription is exempt only while its price had no plan', () => {
  const spans = unsoldSpans([
    ...[seen(10, false), seen(100, true), seen(110, true), seen(200, false), seen(300, false)],
  ])
  const unsold = new Map([['sub_1', spans]])
  const effects = [5, 50, 105, 150, 250, 400].map(failed)
  const violations = checkMails([], effects, { flagged: new Map(), unsold })
  expect(violations.map(({ id }) => id)).toEqual([5, 250, 400].map((each) => failed(each).key))
})

test('a price that has no plan in the end exempts from then on', () => {
  const unsold = new Map([['sub_1', unsoldSpans([seen(100, true), seen(10, false)])]])
  const check = (seconds: number) =>
    checkMails([], [failed(seconds)], { flagged: new Map(), unsold })
  expect(check(5)).toHaveLength(1)
  expect(check(1_000)).toEqual([])
})

test('a subscription that always had a plan is never exempt, and one that is flagged always', () => {
  const unsold = new Map([['sub_1', unsoldSpans([seen(10, false)])]])
  expect(checkMails([], [failed(11)], { flagged: new Map(), unsold })).toHaveLength(1)
  const flagged = new Map([['sub_1', 'unknown_price']])
  expect(checkMails([], [failed(11)], { flagged, unsold })).toEqual([])
})
