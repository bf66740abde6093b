// Netty: java -cp 'JARS/*' Server.java CERT KEY
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.ReferenceCountUtil;
import java.io.File;
import java.net.InetSocketAddress;

public class Server {
  /** One request. */
  static class Request extends ChannelInboundHandlerAdapter {
    String path;
    CharSequence sum;
    long received;

    void tell(String outcome) {
      System.out.println(path + " " + outcome + " " + received);
    }

    static ChannelFuture send(ChannelHandlerContext context, String text, boolean end) {
      return context.writeAndFlush(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(text.getBytes()), end));
    }

    void begin(ChannelHandlerContext context, Http2Headers headers) {
      path = headers.path().toString().split("\\?")[0];
      context.writeAndFlush(new DefaultHttp2HeadersFrame(new DefaultHttp2Headers().status("200")));
      if (path.startsWith("/source")) send(context, "abcde", true);
      if (path.startsWith("/reset")) {
        send(context, "abcde", false) // whose bytes a reset before they are written would drop
            .addListener(written -> context.writeAndFlush(new DefaultHttp2ResetFrame(Http2Error.CANCEL)));
      }
    }

    void end(ChannelHandlerContext context) {
      tell("end");
      if (path.startsWith("/sink")) send(context, received + "\n", true);
      if (path.startsWith("/echo")) {
        var trailers = new DefaultHttp2Headers().set("grpc-status", "0");
        if (sum != null) trailers.set("x-sum", sum);
        context.writeAndFlush(new DefaultHttp2HeadersFrame(trailers, true));
      }
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
      boolean last = false;
      if (message instanceof Http2HeadersFrame head) {
        last = head.isEndStream();
        if (path == null) begin(context, head.headers());
        else sum = head.headers().get("x-sum");
      } else if (message instanceof Http2DataFrame data) {
        last = data.isEndStream();
        received += data.content().readableBytes();
        if (path.startsWith("/echo")) context.writeAndFlush(new DefaultHttp2DataFrame(data.content().retain()));
      }
      ReferenceCountUtil.release(message);
      if (last) end(context);
    }

    /** Nothing more is read while the answers are not taken. */
    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
      context.channel().config().setAutoRead(context.channel().isWritable());
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
      if (event instanceof Http2ResetFrame) tell("reset");
      ReferenceCountUtil.release(event);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {}
  }

  public static void main(String[] arguments) throws Exception {
    SslContext tls = SslContextBuilder.forServer(new File(arguments[0]), new File(arguments[1]))
        .sslProvider(SslProvider.JDK)
        .applicationProtocolConfig(new ApplicationProtocolConfig(Protocol.ALPN, SelectorFailureBehavior.NO_ADVERTISE,
            SelectedListenerFailureBehavior.ACCEPT, "h2"))
        .build();
    var connection = new ChannelInitializer<Channel>() {
      @Override
      protected void initChannel(Channel channel) {
        var stream = new ChannelInitializer<Channel>() {
          @Override
          protected void initChannel(Channel channel) {
            channel.pipeline().addLast(new Request());
          }
        };
        channel.pipeline().addLast(tls.newHandler(channel.alloc()), Http2FrameCodecBuilder.forServer().build(),
            new Http2MultiplexHandler(stream));
      }
    };
    var listening = new ServerBootstrap()
        .group(new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory()))
        .channel(NioServerSocketChannel.class)
        .childHandler(connection)
        .bind("127.0.0.1", 0).sync().channel();
    System.out.println(((InetSocketAddress) listening.localAddress()).getPort());
  }
}
