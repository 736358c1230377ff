# The request is posted to /calc, the reply comes back with the answer.
require 'net/http'
require_relative 'request'

uri = URI("http://localhost:#{ENV.fetch('PORT', '4567')}/#{NAME}")
show(Net::HTTP.post(uri, request).body)
