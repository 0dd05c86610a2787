/** The site: its pages are assembled by `src/build.ts`, and its search runs in the browser without a network. */

import { defineConfig } from 'vitepress'

const page = (text: string, link: string) => ({ text, link })

export default defineConfig({
  title: 'Tollgate',
  description: 'Auth, billing and e-mail for a SaaS, as packages that you own.',
  srcDir: '.vitepress/pages',
  cleanUrls: true,
  ignoreDeadLinks: 'localhostLinks',
  // In the packages' pages, two braces are code and no expression of Vue.
  markdown: { config: (md) => void md.set({ html: true }) },
  themeConfig: {
    search: { provider: 'local' },
    sidebar: [
      {
        text: 'Quick start',
        items: [
          page('Next.js', '/quick-start/next'),
          page('Hono', '/quick-start/hono'),
          page('Express', '/quick-start/express'),
          page('SvelteKit', '/quick-start/sveltekit'),
        ],
      },
      {
        text: 'Guides',
        items: [
          page('What your app must provide', '/your-app'),
          page('Deploy', '/deploy'),
          page('Going live', '/going-live'),
          page('Troubleshooting', '/troubleshooting'),
          page('Upgrading', '/upgrading'),
        ],
      },
      {
        text: 'Coming from',
        items: [
          page('Your users', '/coming-from/users'),
          page('Your customers', '/coming-from/payments'),
        ],
      },
      {
        text: 'Packages',
        items: [
          page('Overview', '/packages/overview'),
          ...[
            'auth',
            'billing',
            'credits',
            'email',
            'jobs',
            'db',
            'core',
            'create',
            'sandbox',
            'web',
          ].map((name) => page(name, `/packages/${name}`)),
          page('Codes of auth', '/packages/auth-codes'),
          page('Codes of billing', '/packages/billing-codes'),
          page('Changelog', '/packages/changelog'),
        ],
      },
      { text: 'Reference', items: [page('Every export', '/api/')] },
    ],
  },
})
