/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */

/**
 * The landing page: what can be tried here, in the order in which a customer meets it.
 *
 * @module
 */

import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import { Card, Layout, toolsOf } from './layout.tsx'
import { type DemoTools, money, offers, products } from './product.ts'

interface Step {
  title: string
  href: string
  link: string
  text: Child
}

const STEPS: Step[] = [
  {
    title: 'Sign up',
    href: '/sign-up',
    link: 'Create an account',
    text: 'Any name and address will do. The mail that confirms the address arrives in the local mailbox; its link changes nothing until you press the button.',
  },
  {
    title: 'Sign in',
    href: '/sign-in',
    link: 'Sign in',
    text: 'With a password, a mailed link or a passkey. A forgotten password is replaced by mail, and every other session ends.',
  },
  {
    title: 'Choose a plan',
    href: '/dashboard',
    link: 'Dashboard',
    text: (
      <>
        Pay with the test card <code>4242 4242 4242 4242</code>; another one is declined. The plan
        is right when you come back, before the webhook arrives.
      </>
    ),
  },
  {
    title: 'Change it or end it',
    href: '/dashboard',
    link: 'Dashboard',
    text: 'A larger plan shows its exact price first and charges that. A smaller one begins when the paid period ends, and so does a cancellation.',
  },
  {
    title: 'Spend credits',
    href: '/credits',
    link: 'Credits',
    text: 'Buy a pack and draw a picture for 20. If the drawing fails, the credits come back. Each step is a line in the history.',
  },
  {
    title: 'Book a call',
    href: '/dashboard',
    link: 'Dashboard',
    text: `Buy a call for ${money(products.STRATEGY_CALL.amount, products.STRATEGY_CALL.currency)}, then choose its time. One payment books one call.`,
  },
  {
    title: 'Bring a team',
    href: '/team',
    link: 'Team',
    text: 'Found an organization, invite people by mail, give them roles, hand it over, leave. What a role may not do is refused on the server.',
  },
  {
    title: 'Look after the account',
    href: '/account',
    link: 'Account',
    text: 'See where you are signed in and end a session, turn on a second factor, change the address or password, download your data, delete it all.',
  },
]

/** The landing page. `isSignedIn` decides where its header leads. */
export const home = (c: Context, isSignedIn: boolean) => {
  const tools = toolsOf(c)
  return c.html(
    <Layout c={c} title="Acme" top={isSignedIn ? 'customer' : 'visitor'} width="wide">
      <h1>Acme draws pictures. Tollgate does the rest.</h1>
      <p class="lead">
        Acme is a made-up product whose sign-in, billing, credits and mail are Tollgate's. Walk
        through it as a customer would: everything runs on this machine, and the payment pages are
        stand-ins.
      </p>
      <p class="actions">
        {isSignedIn ? (
          <a class="button" href="/dashboard">
            Go to your dashboard
          </a>
        ) : (
          <>
            <a class="button" href="/sign-up">
              Sign up
            </a>
            <span>
              Been here before? <a href="/sign-in">Sign in</a>
            </span>
          </>
        )}
      </p>
      <section>
        <h2>What you can try</h2>
        <div class="grid">
          {STEPS.map(({ title, href, link, text }, at) => (
            <div class="card">
              <h3>
                {at + 1}. {title}
              </h3>
              <p>{text}</p>
              <p>
                <a href={href}>{link}</a>
              </p>
            </div>
          ))}
        </div>
      </section>
      <Prices />
      {tools && <BehindTheScenes {...tools} />}
    </Layout>,
  )
}

const Prices = () => (
  <section>
    <h2>Prices</h2>
    <div class="grid">
      {offers.map(({ name, price, gets }) => (
        <div class="card">
          <h3>{name}</h3>
          <p>
            <span class="price">{price ?? money(0, 'usd')}</span>
            {' per month'}
          </p>
          <p>{gets}</p>
        </div>
      ))}
    </div>
    <p class="hint">
      Everybody begins with Free and chooses on the dashboard. Besides:{' '}
      {Object.values(products)
        .filter(({ name }) => /credits|call/i.test(name))
        .map(({ name, amount, currency }) => `${name} for ${money(amount, currency)}`)
        .join('; ')}
      .
    </p>
  </section>
)

const BehindTheScenes = ({ mailboxUrl, sandboxUrl }: DemoTools) => (
  <section>
    <h2>Behind the scenes</h2>
    <div class="grid pair">
      <Card title="Mailbox">
        <p>Every mail that Acme sends, as its reader sees it. Nothing leaves this machine.</p>
        <p>
          <a href={mailboxUrl}>Open the mailbox</a>
        </p>
      </Card>
      <Card title="Sandbox">
        <p>
          The stand-ins for Stripe and Cal.com: customers, subscriptions, bookings, and each webhook
          with a button that sends it again.
        </p>
        <p>
          <a href={sandboxUrl}>Open the sandbox</a>
        </p>
      </Card>
    </div>
  </section>
)
