/**
 * The recipes: what each of the phrases "add github oauth", "setup stripe", "add mfa" … means in a host.
 *
 * @module
 */

/** An option of the host's own instance. */
export interface OptionStep {
  callee: 'createAuth' | 'createBilling'
  keys: readonly string[]
  /** The value as TypeScript. */
  value: string
  /** A function that the value uses, imported beside `callee`. */
  uses?: string
  /** A name of the file that the value uses. Without it the option is left out. */
  needs?: string
}

/** A file of a Next.js app, below its sources. */
export interface FileStep {
  path: string
  text: string
}

/** A recipe. */
export interface Recipe {
  /** What it does, as the help and the commit say it: a verb first. */
  title: string
  /** The part that the host needs, and an extra that it may have left out. */
  part: 'auth' | 'billing'
  extra?: string
  /** The instance that has to be in the host's configuration. */
  callee: OptionStep['callee']
  options: readonly OptionStep[]
  /** Variables whose lines belong into `.env.example`. */
  variables: readonly string[]
  files: readonly FileStep[]
  /** What a person does next. */
  steps: readonly string[]
  /** How much can go wrong: `medium` where money or access changes. */
  risk: 'low' | 'medium'
}

const provider = (id: string, name: string, where: string): Recipe => ({
  title: `Add sign-in with ${name}`,
  part: 'auth',
  callee: 'createAuth',
  options: [],
  variables: ['CLIENT_ID', 'CLIENT_SECRET'].map((each) => `${id.toUpperCase()}_${each}`),
  files: [
    {
      path: `app/sign-in/${id}/route.ts`,
      text: `import { auth } from '@/lib/tollgate'

/** Answers a form: <form action="/sign-in/${id}" method="post"><button>Continue with ${name}</button></form> */
export const POST = (req: Request) =>
  auth.formAction(req, {
    path: '/sign-in/social',
    fields: () => ({ provider: '${id}' }),
    success: '/dashboard',
    failure: '/sign-in',
  })
`,
    },
  ],
  steps: [
    `${where}. The callback is <APP_URL>/api/auth/callback/${id}. Set ${id.toUpperCase()}_CLIENT_ID and ${id.toUpperCase()}_CLIENT_SECRET.`,
    `Put the button on your sign-in page: <form action="/sign-in/${id}" method="post"><button>Continue with ${name}</button></form>`,
  ],
  risk: 'medium',
})

const webhook = (path: string, handler: string): FileStep => ({
  path: `app/api/webhooks/${path}/route.ts`,
  text: `import { billing } from '@/lib/tollgate'

export const POST = (req: Request) => billing.${handler}(req)
`,
})

const form = (path: string, endpoint: string, success: string, failure: string): FileStep => ({
  path: `app/${path}/route.ts`,
  text: `import { auth } from '@/lib/tollgate'

/** Answers a form that posts to /${path}. */
export const POST = (req: Request) =>
  auth.formAction(req, {
    path: '${endpoint}',
    success: '${success}',
    failure: '${failure}',
    keep: ['token'],
  })
`,
})

/** The recipes by name. */
export const RECIPES: Readonly<Record<string, Recipe>> = {
  'github-oauth': provider(
    'github',
    'GitHub',
    'Make an OAuth app at GitHub → Settings → Developer settings',
  ),
  'google-oauth': provider(
    'google',
    'Google',
    'Make a client at console.cloud.google.com → APIs → Credentials',
  ),
  'microsoft-oauth': provider(
    'microsoft',
    'Microsoft',
    'Register an app at entra.microsoft.com → App registrations',
  ),
  'password-reset': {
    title: 'Add password reset',
    part: 'auth',
    callee: 'createAuth',
    options: [
      { callee: 'createAuth', keys: ['pages', 'resetPassword'], value: "'/reset-password'" },
      { callee: 'createAuth', keys: ['pages', 'forgotPassword'], value: "'/forgot-password'" },
    ],
    variables: ['RESEND_API_KEY', 'EMAIL_FROM'],
    files: [
      form('forgot-password/send', '/request-password-reset', '/check-mail', '/forgot-password'),
      form('reset-password/set', '/reset-password', '/sign-in?done=reset', '/reset-password'),
    ],
    steps: [
      'Write the page /forgot-password with a form that posts the field email to /forgot-password/send.',
      'Write the page /reset-password with a form that posts newPassword and the token of its address to /reset-password/set.',
    ],
    risk: 'medium',
  },
  mfa: {
    title: 'Add a second factor',
    part: 'auth',
    callee: 'createAuth',
    options: [{ callee: 'createAuth', keys: ['twoFactor'], value: 'true' }],
    variables: [],
    files: [],
    steps: [
      'Write the page /two-factor, which asks for the code (packages/auth/README.md, "The second factor").',
      'Let people turn it on in their account: /two-factor/enable.',
    ],
    risk: 'medium',
  },
  organizations: {
    title: 'Add organizations',
    part: 'auth',
    callee: 'createAuth',
    options: [
      { callee: 'createAuth', keys: ['pages', 'acceptInvitation'], value: "'/accept-invitation'" },
      {
        callee: 'createAuth',
        keys: ['events', 'membersChanged'],
        value:
          '({ id, members }) => (members > 0 ? billing.updateCustomer(id) : billing.forgetOwner(id))',
        needs: 'billing',
      },
    ],
    variables: [],
    files: [],
    steps: [
      'Write the page /accept-invitation, which gets the id of the invitation (packages/auth/README.md, "Organizations").',
      'If you sell seats, let membersChanged call changePlan with the quantity.',
    ],
    risk: 'medium',
  },
  stripe: {
    title: 'Set up Stripe',
    part: 'billing',
    callee: 'createBilling',
    options: [],
    variables: ['STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET'],
    files: [webhook('stripe', 'handleStripeWebhook')],
    steps: [
      'Set STRIPE_SECRET_KEY. Then run: billing plans push, and billing webhooks create <APP_URL>/api/webhooks/stripe, whose secret is STRIPE_WEBHOOK_SECRET.',
    ],
    risk: 'medium',
  },
  'configure-billing': {
    title: 'Configure the plans',
    part: 'billing',
    callee: 'createBilling',
    options: [
      {
        callee: 'createBilling',
        keys: ['plans'],
        value: `definePlans({
  FREE: { name: 'Free' },
  PRO: {
    name: 'Pro',
    prices: {
      month: { lookupKey: 'pro_monthly', amount: 2900, currency: 'usd' },
      year: { lookupKey: 'pro_yearly', amount: 29000, currency: 'usd' },
    },
  },
})`,
        uses: 'definePlans',
      },
    ],
    variables: ['STRIPE_TRIAL_DAYS'],
    files: [],
    steps: ['Change names and prices to yours, and run billing plans push.'],
    risk: 'medium',
  },
  credits: {
    title: 'Sell credits',
    part: 'billing',
    callee: 'createBilling',
    options: [
      {
        callee: 'createBilling',
        keys: ['products', 'CREDITS_100'],
        value: "{ name: '100 credits', amount: 900, currency: 'usd', credits: 100 }",
      },
    ],
    variables: [],
    files: [
      {
        path: 'app/api/payment/create-order/route.ts',
        text: `import { auth, billing } from '@/lib/tollgate'

/** Sells credits to the signed-in user: POST { "productId": "CREDITS_100" } answers the url of the checkout. */
export const POST = (req: Request) =>
  billing.handleCreateOrder(req, {
    getOwner: async (req) => (await auth.getSession(req))?.userId ?? null,
  })
`,
      },
      {
        path: 'app/api/payment/callback/route.ts',
        text: `import { billing } from '@/lib/tollgate'

export const GET = (req: Request) => billing.handlePaymentCallback(req)
export const POST = (req: Request) => billing.handlePaymentCallback(req)
`,
      },
    ],
    steps: ['Spend them with billing.deductCredits(userId, amount, description).'],
    risk: 'medium',
  },
  calcom: {
    title: 'Add Cal.com bookings',
    part: 'billing',
    extra: 'calcom',
    callee: 'createBilling',
    options: [],
    variables: ['CALCOM_EVENT_TYPES', 'CALCOM_WEBHOOK_SECRET'],
    files: [webhook('calcom', 'handleCalComWebhook')],
    steps: [
      'At Cal.com → Settings → Webhooks, add <APP_URL>/api/webhooks/calcom with the secret of CALCOM_WEBHOOK_SECRET.',
    ],
    risk: 'low',
  },
}
