# The request goes to the queue calc, the reply comes to a queue of this client's own.
require 'bunny'
require_relative 'request'

# A slash at the end would name the virtual host "".
connection = Bunny.new(ENV.fetch('AMQP_URL', 'amqp://guest:guest@localhost:5672').chomp('/')).start
channel = connection.create_channel
queue = channel.queue(NAME)
replies = channel.queue('', exclusive: true)
arrived = Queue.new
replies.subscribe { |_delivery, properties, body| arrived << body if properties.correlation_id == ID }
channel.default_exchange.publish(request, routing_key: queue.name, reply_to: replies.name, correlation_id: ID)
show(arrived.pop)
