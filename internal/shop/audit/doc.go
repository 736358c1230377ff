// Package audit compares notes: for every order, SKU, product and copy it asks
// owner and holders over REST, and reports each difference. It is the judge of
// the promise that nothing is lost, and uses nothing but the public contracts.
package audit
