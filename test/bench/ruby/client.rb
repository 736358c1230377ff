# Calls add so many times, one after the other, as examples/calculator/ruby does or
# with what lives longer than a call, and prints the seconds it took.
require 'json'
require 'securerandom'

transport, way, calls = ARGV
NAME = ENV.fetch('CALC_NAME')
NAIVE = way == 'naive'

def request(id, number)
  JSON.generate({ jsonrpc: '2.0', method: 'add', params: [number, 5.5], id: id })
end

def check(reply, number)
  abort "#{number} + 5.5 is answered #{reply}" unless JSON.parse(reply)['result'] == number + 5.5
end

def http
  require 'net/http'
  uri = URI("http://localhost:#{ENV.fetch('PORT')}/#{NAME}")
  ->(number) { Net::HTTP.post(uri, request('x', number)).body }
end

# The list for replies is named by the ID: an ID that stays is a subscriber that does.
def redis
  require 'redis'
  connection = Redis.new(url: ENV.fetch('REDIS_URL'))
  own = SecureRandom.uuid
  lambda do |number|
    id = NAIVE ? SecureRandom.uuid : own
    connection.lpush(NAME, request(id, number))
    connection.brpop(id, timeout: 30).last
  end
end

def rabbitmq
  require 'bunny'
  channel = Bunny.new(ENV.fetch('AMQP_URL').chomp('/')).start.create_channel
  subscribe = lambda do
    queue = channel.queue('', exclusive: true)
    arrived = Queue.new
    consumer = queue.subscribe { |_delivery, _properties, body| arrived << body }
    [queue, arrived, consumer]
  end
  own = subscribe.call unless NAIVE
  lambda do |number|
    queue, arrived, consumer = own || subscribe.call
    channel.default_exchange.publish(request('x', number), routing_key: NAME, reply_to: queue.name, correlation_id: 'x')
    reply = arrived.pop
    consumer.cancel if NAIVE
    reply
  end
end

call = send(transport)
check(call.call(0), 0)
began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
calls.to_i.times { |number| check(call.call(number), number) }
puts Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
