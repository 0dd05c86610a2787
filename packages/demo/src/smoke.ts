/**
 * Walks through the main job over HTTP, as a visitor without a browser. It throws if any step fails.
 *
 * @module
 */

import type { Demo } from './demo.ts'
import { createVisitor, type Visitor } from './visitor.ts'

const CARD = { number: '4242 4242 4242 4242', expiry: '12 / 34', cvc: '123' }

/** Walks through the main job and calls `done` after each step. */
export async function smoke(demo: Demo, done: (step: string) => void): Promise<void> {
  const visitor = createVisitor()
  const email = `smoke-${Date.now()}@example.com`

  await visitor.open(`${demo.url}/sign-up`)
  await visitor.press('Create account', { name: 'Ada', email, password: 'correct horse battery' })
  await openMail(demo, visitor, 'Please confirm your address', 'Confirm my address')
  expectText(visitor, 'One click')
  await visitor.press('Confirm')
  done('signed up and confirmed by a button')

  await visitor.press('Sign in', { email, password: 'correct horse battery' })
  expectText(visitor, 'Your plan Free')
  done('signed in, on Free')

  await visitor.press('Upgrade to Pro')
  await visitor.press('Pay', CARD)
  expectText(visitor, 'Your plan Pro')
  await demo.settled()
  await hasMail(demo, visitor, 'Your Pro plan is active')
  done('paid on the checkout page, on Pro, confirmation mailed')

  await visitor.open(`${demo.url}/dashboard`)
  await visitor.press('Buy a call')
  await visitor.press('Pay', CARD)
  await visitor.press('Book your call')
  await visitor.press('Book')
  await demo.settled()
  await visitor.open(`${demo.url}/dashboard`)
  expectText(visitor, 'Confirmed')
  done('bought a call and booked it')

  await visitor.follow('Change to Enterprise')
  expectText(visitor, 'Today $170.00')
  await visitor.press('Change and pay')
  expectText(visitor, 'Enterprise · $199.00 per month')
  await visitor.follow('Change to Pro')
  await visitor.press('Change then')
  expectText(visitor, 'Becomes Pro')
  await visitor.press('Keep Enterprise')
  expectText(visitor, 'Renews on')
  done('changed to Enterprise at the quoted price; scheduled Pro, then kept Enterprise')

  await visitor.open(`${demo.url}/credits`)
  await visitor.press('Draw a picture')
  expectText(visitor, 'Not enough credits')
  await visitor.press('100 credits')
  await visitor.press('Pay', CARD)
  expectText(visitor, '100 credits')
  await visitor.press('Draw a picture')
  expectText(visitor, '80 credits')
  await visitor.press('Draw a picture', { fails: 'on' })
  expectText(visitor, '80 credits')
  await demo.settled()
  await visitor.open(`${demo.url}/credits`)
  expectText(visitor, '80 credits')
  done('bought credits, drew a picture for 20, and got the 20 back for a failed picture')

  await visitor.open(`${demo.url}/dashboard`)
  await visitor.press('Manage billing')
  await visitor.press('Cancel at period end')
  await demo.settled()
  await visitor.open(`${demo.url}/dashboard`)
  expectText(visitor, 'Ends on')
  done('cancelled at the end of the period')

  const elsewhere = createVisitor()
  await elsewhere.open(`${demo.url}/forgot-password`)
  await elsewhere.press('Send a link', { email })
  await openMail(demo, elsewhere, 'Reset your password', 'Choose a new password')
  await elsewhere.press('Change password', { newPassword: 'another long password' })
  await visitor.open(`${demo.url}/dashboard`)
  if (!visitor.url.endsWith('/sign-in'))
    throw new Error('The old session still works after the reset.')
  await elsewhere.press('Sign in', { email, password: 'another long password' })
  expectText(elsewhere, 'Your plan Enterprise')
  done('reset the password; the old session ended at once')

  // With keys of the real Google the button leads to Google, where this walk ends.
  if (process.env.GOOGLE_CLIENT_ID) return
  const newcomer = createVisitor()
  await newcomer.open(`${demo.url}/sign-in`)
  await newcomer.press('Continue with Google')
  await newcomer.press('Grace Hopper')
  expectText(newcomer, 'Your plan Free')
  await demo.settled()
  done('signed in with Google, at its stand-in')
}

async function hasMail(demo: Demo, visitor: Visitor, subject: string): Promise<void> {
  await visitor.open(demo.mailboxUrl)
  expectText(visitor, subject)
}

/** Opens the newest mail with this subject and follows its link. */
async function openMail(
  demo: Demo,
  visitor: Visitor,
  subject: string,
  link: string,
): Promise<void> {
  await demo.settled()
  await visitor.open(demo.mailboxUrl)
  await visitor.follow(subject)
  visitor.enterFrame()
  await visitor.follow(link)
}

function expectText(visitor: Visitor, text: string): void {
  if (visitor.text.includes(text)) return
  throw new Error(`"${text}" is not on ${visitor.url}: ${visitor.text.slice(0, 400)}`)
}
