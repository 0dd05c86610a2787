/**
 * Test cards and their bank. A card number is kept for one request only; the stored record has its last four
 * digits and the bank's behaviour.
 *
 * @see https://docs.stripe.com/testing
 * @module
 */

import { createHash } from 'node:crypto'
import { StripeApiError } from '../server/errors.ts'
import type { CardBehaviour, PaymentMethod } from '../server/objects.ts'
import { newId, type Store, seconds } from '../server/store.ts'

/** A card as the buyer types it. `number` may contain blanks. */
export interface CardEntry {
  number: string
  /** 1 to 12. Default 12. */
  expMonth?: number
  /** Four digits. Default: three years after the clock's year. */
  expYear?: number
  /** Three or four digits. Default 123. */
  cvc?: string
}

const numbers: Record<string, { brand: string; behaviour: CardBehaviour }> = {
  '4242424242424242': { brand: 'visa', behaviour: 'pays' },
  '5555555555554444': { brand: 'mastercard', behaviour: 'pays' },
  '378282246310005': { brand: 'amex', behaviour: 'pays' },
  '4000000000000341': { brand: 'visa', behaviour: 'fails_later' },
  '4000002760003184': { brand: 'visa', behaviour: 'requires_action' },
  '4000000000000002': { brand: 'visa', behaviour: 'generic_decline' },
  '4000000000009995': { brand: 'visa', behaviour: 'insufficient_funds' },
  '4000000000009987': { brand: 'visa', behaviour: 'lost_card' },
  '4000000000000069': { brand: 'visa', behaviour: 'expired_card' },
  '4000000000000127': { brand: 'visa', behaviour: 'incorrect_cvc' },
  '6011111111111117': { brand: 'discover', behaviour: 'pays' },
  '3056930009020004': { brand: 'diners', behaviour: 'pays' },
  '3566002020360505': { brand: 'jcb', behaviour: 'pays' },
  '6200000000000005': { brand: 'unionpay', behaviour: 'pays' },
  '4000056655665556': { brand: 'visa', behaviour: 'pays' },
  '4000000000000077': { brand: 'visa', behaviour: 'pays' },
  '4000000000009235': { brand: 'visa', behaviour: 'pays' },
  '4000002760000016': { brand: 'visa', behaviour: 'pays' },
  '4000002500003155': { brand: 'visa', behaviour: 'requires_action' },
  '4000000000003220': { brand: 'visa', behaviour: 'requires_action' },
  '4000000000000259': { brand: 'visa', behaviour: 'is_disputed' },
  '4000000000001976': { brand: 'visa', behaviour: 'is_inquired' },
  '4000000000000119': { brand: 'visa', behaviour: 'processing_error' },
  '4000000000005126': { brand: 'visa', behaviour: 'refund_fails' },
  '4000000000007726': { brand: 'visa', behaviour: 'refund_waits' },
}

/** Names that stand for a card in an API call, each with its number. */
const names: Record<string, string> = {
  pm_card_visa: '4242424242424242',
  pm_card_mastercard: '5555555555554444',
  pm_card_amex: '378282246310005',
  pm_card_authenticationRequired: '4000002760003184',
  pm_card_chargeCustomerFail: '4000000000000341',
  pm_card_chargeDeclined: '4000000000000002',
  pm_card_visa_chargeDeclined: '4000000000000002',
  pm_card_chargeDeclinedInsufficientFunds: '4000000000009995',
  pm_card_visa_chargeDeclinedInsufficientFunds: '4000000000009995',
  pm_card_chargeDeclinedLostCard: '4000000000009987',
  pm_card_visa_chargeDeclinedLostCard: '4000000000009987',
  pm_card_chargeDeclinedExpiredCard: '4000000000000069',
  pm_card_chargeDeclinedIncorrectCvc: '4000000000000127',
  pm_card_discover: '6011111111111117',
  pm_card_diners: '3056930009020004',
  pm_card_jcb: '3566002020360505',
  pm_card_unionpay: '6200000000000005',
  pm_card_visa_debit: '4000056655665556',
  pm_card_us: '4242424242424242',
  pm_card_de: '4000002760000016',
  pm_card_bypassPending: '4000000000000077',
  pm_card_riskLevelElevated: '4000000000009235',
  pm_card_authenticationRequiredOnSetup: '4000002500003155',
  pm_card_threeDSecure2Required: '4000000000003220',
  pm_card_createDispute: '4000000000000259',
  pm_card_createDisputeInquiry: '4000000000001976',
  pm_card_chargeDeclinedProcessingError: '4000000000000119',
  pm_card_refundFail: '4000000000005126',
  pm_card_pendingRefund: '4000000000007726',
}

/** The card number of a name such as `pm_card_visa`; undefined for any other text. */
export const numberOf = (name: string): string | undefined =>
  Object.hasOwn(names, name) ? names[name] : undefined

/** A decline by the bank, in the words of Stripe's error. */
export interface Decline {
  code:
    | 'authentication_required'
    | 'card_declined'
    | 'expired_card'
    | 'incorrect_cvc'
    | 'processing_error'
  declineCode: string
  message: string
}

const declines: Partial<Record<CardBehaviour, Decline>> = {
  authentication_required: decline(
    'authentication_required',
    'authentication_required',
    'Your card was declined. This transaction requires authentication.',
  ),
  generic_decline: decline('card_declined', 'generic_decline', 'Your card was declined.'),
  fails_later: decline('card_declined', 'generic_decline', 'Your card was declined.'),
  insufficient_funds: decline(
    'card_declined',
    'insufficient_funds',
    'Your card has insufficient funds.',
  ),
  lost_card: decline('card_declined', 'lost_card', 'Your card was declined.'),
  expired_card: decline('expired_card', 'expired_card', 'Your card has expired.'),
  incorrect_cvc: decline(
    'incorrect_cvc',
    'incorrect_cvc',
    "Your card's security code is incorrect.",
  ),
  processing_error: decline(
    'processing_error',
    'processing_error',
    'An error occurred while processing your card. Try again in a little bit.',
  ),
  test_mode_live_card: decline(
    'card_declined',
    'test_mode_live_card',
    'Your card was declined. This is a stand-in: use a test card such as 4242 4242 4242 4242.',
  ),
}

function decline(code: Decline['code'], declineCode: string, message: string): Decline {
  return { code, declineCode, message }
}

/**
 * The bank's answer to a charge: null if it pays. On a hosted page (`isPresent`) the card that fails later
 * pays once, so that a person can first buy and then see the renewal fail.
 */
export function bankDecline(card: PaymentMethod, isPresent: boolean): Decline | null {
  if (card.behaviour === 'fails_later' && isPresent) return null
  return declines[card.behaviour] ?? null
}

/**
 * Creates a payment method for a typed card without storing it.
 *
 * @throws `incorrect_number`, `invalid_expiry_month`, `invalid_expiry_year` or `invalid_cvc`, 402
 */
export function createCard(
  store: Store,
  entry: CardEntry,
  details: Partial<PaymentMethod['billing_details']> = {},
): PaymentMethod {
  const now = store.clock.now()
  const number = entry.number.replaceAll(/[\s-]/g, '')
  const { expMonth = 12, expYear = now.getUTCFullYear() + 3, cvc = '123' } = entry
  if (!/^\d{12,19}$/.test(number) || !passesLuhn(number)) {
    throw cardError('incorrect_number', 'Your card number is incorrect.', 'number')
  }
  if (!(expMonth >= 1 && expMonth <= 12)) {
    throw cardError('invalid_expiry_month', "Your card's expiration month is invalid.", 'exp_month')
  }
  if (Number.isNaN(expYear) || Date.UTC(expYear, expMonth, 1) <= now.getTime()) {
    throw cardError('invalid_expiry_year', "Your card's expiration year is invalid.", 'exp_year')
  }
  if (!/^\d{3,4}$/.test(cvc)) {
    throw cardError('invalid_cvc', "Your card's security code is invalid.", 'cvc')
  }
  const known = Object.hasOwn(numbers, number) ? numbers[number] : undefined
  const { brand, behaviour } = known ?? { brand: 'visa', behaviour: 'test_mode_live_card' }
  return {
    id: newId('paymentMethods'),
    object: 'payment_method',
    created: seconds(store),
    livemode: false,
    allow_redisplay: 'unspecified',
    billing_details: {
      address: {
        city: null,
        country: null,
        line1: null,
        line2: null,
        postal_code: null,
        state: null,
      },
      email: null,
      name: null,
      phone: null,
      ...details,
    },
    card: {
      brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' },
      country: 'US',
      display_brand: brand,
      exp_month: expMonth,
      exp_year: expYear,
      fingerprint: fingerprintOf(number),
      funding: 'credit',
      generated_from: null,
      last4: number.slice(-4),
      networks: { available: [brand], preferred: null },
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    customer: null,
    metadata: {},
    type: 'card',
    behaviour: behaviour as CardBehaviour,
  }
}

/** The only bank account of the stand-in; its debits are settled with a delay. */
const ACCOUNT = 'DE89370400440532013000'

/** Creates a bank debit without storing it. Its payments are settled days later. */
export function createDebit(
  store: Store,
  details: Partial<PaymentMethod['billing_details']> = {},
): PaymentMethod {
  const made = createCard(store, { number: '4242424242424242' }, details)
  const fingerprint = fingerprintOf(ACCOUNT)
  const card = { ...made.card, fingerprint, last4: ACCOUNT.slice(-4) }
  return { ...made, card, type: 'sepa_debit', behaviour: 'delayed' }
}

/** The same number always has the same fingerprint, which does not reveal the number. */
const fingerprintOf = (number: string): string =>
  createHash('sha256').update(`sandbox ${number}`).digest('hex').slice(0, 16)

const cardError = (
  code: 'incorrect_number' | 'invalid_expiry_month' | 'invalid_expiry_year' | 'invalid_cvc',
  message: string,
  param: string,
): StripeApiError => new StripeApiError(code, 402, message, { type: 'card_error', param })

/** Verifies the check digit of ISO/IEC 7812. */
function passesLuhn(number: string): boolean {
  let sum = 0
  for (const [index, character] of [...number].reverse().entries()) {
    const digit = Number(character) * (index % 2 === 1 ? 2 : 1)
    sum += digit > 9 ? digit - 9 : digit
  }
  return sum % 10 === 0
}
