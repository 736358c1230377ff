// Package heroku is a small Heroku: it runs every line of the Procfile as dynos,
// each in a network namespace of its own from which nothing but the add-ons can be
// reached, with the config vars of app.json and the limits of its plans, kills,
// scales and deploys them while customers order through web, and audits the shop.
// docs/heroku.md is what it proves.
package heroku
