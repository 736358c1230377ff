// Package audit compares the services' data: for every order, SKU, product and copy it reads
// the owner and the copies over REST and reports each difference. It verifies the promise
// that no event is lost, and uses only the public contracts.
package audit
